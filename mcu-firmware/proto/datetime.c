/* Days and dates of the proleptic Gregorian calendar: years are counted from March, so that the leap day is the last day of a
 * year and month lengths follow 153 days in five months; 400 years have 146097 days. */
#include "datetime.h"

#define MS_A_DAY 86400000u
#define DAYS_400_YEARS 146097u
#define DAYS_TO_1970 719468u /* from 1 March of year 0 */
#define FIRST_YEAR 1970u
#define LAST_MS 253402300799999u /* of year 9999 */

struct date {
    uint32_t year, month, day;
};

static uint32_t days_of(const struct date *date)
{
    uint32_t year = date->month > 2 ? date->year : date->year - 1;
    uint32_t month = date->month > 2 ? date->month - 3 : date->month + 9; /* March is 0 */

    return year * 365 + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + date->day - 1 - DAYS_TO_1970;
}

static struct date date_of(uint32_t days)
{
    uint32_t since = days + DAYS_TO_1970, era = since / DAYS_400_YEARS, day = since % DAYS_400_YEARS;
    uint32_t year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
    uint32_t month;

    day -= year * 365 + year / 4 - year / 100;
    month = (5 * day + 2) / 153;
    return (struct date){
        .year = era * 400 + year + (month >= 10),
        .month = month < 10 ? month + 3 : month - 9,
        .day = day - (153 * month + 2) / 5 + 1,
    };
}

static void put_digits(char *out, uint32_t value, int digits)
{
    for (int i = digits - 1; i >= 0; i--, value /= 10)
        out[i] = (char)('0' + value % 10);
}

void datetime_write(uint64_t ms, char out[DATETIME_BYTES])
{
    static const char shape[] = "0000-00-00T00:00:00.000000";
    uint32_t in_day;
    struct date date;

    ms = ms < LAST_MS ? ms : LAST_MS;
    in_day = (uint32_t)(ms % MS_A_DAY);
    date = date_of((uint32_t)(ms / MS_A_DAY));
    for (int i = 0; i < DATETIME_BYTES; i++)
        out[i] = shape[i];
    put_digits(out, date.year, 4);
    put_digits(out + 5, date.month, 2);
    put_digits(out + 8, date.day, 2);
    put_digits(out + 11, in_day / 3600000, 2);
    put_digits(out + 14, in_day / 60000 % 60, 2);
    put_digits(out + 17, in_day / 1000 % 60, 2);
    put_digits(out + 20, in_day % 1000, 3);
}

struct text {
    const uint8_t *at, *end;
    int bad;
};

static uint32_t digits(struct text *text, int count)
{
    uint32_t value = 0;

    for (; count > 0; count--) {
        if (text->at == text->end || *text->at < '0' || *text->at > '9') {
            text->bad = 1;
            return 0;
        }
        value = value * 10 + (uint32_t)(*text->at++ - '0');
    }
    return value;
}

static int is_next(const struct text *text, char character)
{
    return text->at != text->end && *text->at == (uint8_t)character;
}

static void need(struct text *text, char character)
{
    if (is_next(text, character))
        text->at++;
    else
        text->bad = 1;
}

/* Milliseconds of ".S" to ".SSSSSS". */
static uint32_t fraction(struct text *text)
{
    uint32_t ms = 0, scale = 100;
    int count = 0;

    if (!is_next(text, '.'))
        return 0;
    for (text->at++; text->at != text->end && *text->at >= '0' && *text->at <= '9'; count++, scale /= 10)
        ms += scale * (uint32_t)(*text->at++ - '0');
    text->bad = text->bad || count < 1 || count > 6;
    return ms;
}

static int is_date(const struct date *date)
{
    static const uint8_t month_days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int leap = date->year % 4 == 0 && (date->year % 100 != 0 || date->year % 400 == 0);

    if (date->year < FIRST_YEAR || date->month < 1 || date->month > 12 || date->day < 1)
        return 0;
    return date->day <= month_days[date->month - 1] + (date->month == 2 && leap ? 1u : 0u);
}

int datetime_read(const uint8_t *bytes, size_t size, uint64_t *ms)
{
    struct text text = {.at = bytes, .end = bytes + size};
    struct date date;
    uint32_t hour, minute, second, thousandth;

    date.year = digits(&text, 4);
    need(&text, '-');
    date.month = digits(&text, 2);
    need(&text, '-');
    date.day = digits(&text, 2);
    need(&text, 'T');
    hour = digits(&text, 2);
    need(&text, ':');
    minute = digits(&text, 2);
    need(&text, ':');
    second = digits(&text, 2);
    thousandth = fraction(&text);
    if (is_next(&text, 'Z'))
        text.at++;
    if (text.bad || text.at != text.end || !is_date(&date) || hour > 23 || minute > 59 || second > 59)
        return -1;
    *ms = (uint64_t)days_of(&date) * MS_A_DAY + ((hour * 60 + minute) * 60 + second) * 1000 + thousandth;
    return 0;
}
