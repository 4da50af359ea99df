"""A `.tflite` that opens and then fails at its first window: three frames of 40 in, one posterior out, float32.

Converted by TensorFlow 2.21 from

    loud = tf.cast(tf.reduce_max(x), tf.int32) + 1000
    return tf.reshape(tf.gather(tf.constant([0.25, 0.75]), loud), [1, 1])

which no interpreter can refuse before it runs it: the index is only then out of bounds.
"""

from __future__ import annotations

import base64
import zlib

_PACKED = """
eNplVD1oU1EUPmn+21gfGtKCQTJkEJH8mU6CJqRVCv2RWLqmzyaQiHmR5CnpVsRRRKSIQwcHBwcHhwyCzh2lgziJODgEB6du1j6/c+95yWu88HHvPe+c
73z33HNfkog2bq5cjVOKkjRPcTIoBluEAlgTbBo28MZHNACaQSI/6TEFFIEA8M1xnJiszwOV9bXNpeqd5fW12urSRnmxvFEGb0xxR/B9xuPbblm17kPL
brUbtUeNbq/VsegM7FeQLw1EgCH2h8AnYAC8Y03APrAnGpnvMnTwvAUYojNCs6O8bEsra0jZQhLHIzaqQUDVIXvwcbv0LHrOL2cNqCiiQqaQz+SIXkou
5sxn8srmjud/HGcPeAXsA6+BA/FnDEH6Vfasyyf45bER7V4nKt2Y1BqTHD7RdQxuOnacs1ivrixXU5WOhTrajXpG+cSV9+zodMw1K/ak1DkHFH2av222
LI7AVdNP4D3wgP0k/z25a0P2nCMqWlg31+szfHRemjMkF9vfQqdP/KYE4Ql9Mx593CpuPPsOJT4s+/H9TY/ONi01Mjx1DckclFxx9X2cS3rlght3+6/O
E5Q85OGKyqyzEqXgcAjDE2ARMHzjuu0CJdF48QT3hFBDcnDsPPc0cnE9lusNPAJ7x31bbr7Nibio9PAR4hKYb5l2s9HdLFxzF1mz3+ppfd8lNi41jMjT
ZZ4ivvGdmPW6Potz2jcsvrzeOtF9WTF7ttvjvyd0hWR+KryrZl/53Z3gDXp4P8A3qDVkd4T3xYS/vM8p7tUh/Pm+zG7Lbma2O1bPNi17/BYeO6c1+YUj
BTufp8IRtfzInyih/n1z0j16hCkhVx739J6r+b6jNSsuuSO/cM2POut/LsPTkzwPHN1jfYl3eS5JjVaAnOzdOnxx9J1zsh9Y638ZpQMUUN+PYFvQtoWY
6m9SkdzXVW2v/gMw+uF9
"""
MODEL = zlib.decompress(base64.b64decode(_PACKED))
