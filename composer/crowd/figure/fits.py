"""How the coarse levels of the built-in figures are bent; found by `python -m benchmarks.levels --fit`."""

from __future__ import annotations

from composer.crowd.figure.levels import Fit

#: By figure. See `levels.Fit`.
FITS: dict[str, Fit] = {
    "spearman_lean": Fit(
        "fffffffffffffffffdfcfcfcffffjjfffafffcaagggegeddgefffcfafcfcgegeggddgeffggjjiigggg",
        (
            (31, 0, 24, -24, 29, -15, -11, 0, 14, 9),
            (68, 0, 7, -105, 101, 103, -72, 0, 182, 0),
            (136, 0, -135, 37, -35, 5, -12, 0, -390, -30),
        ),
    ),
    "spearman_sturdy": Fit(
        "fffffbfffffffffffdfcfcfcffffjjfcfafffcaceedeeedddefffffcfccceeeeeedddegfggjjiigggg",
        (
            (3, 3, 21, -25, -4, -19, 13, 0, 11, 11),
            (-3, 0, 16, -77, 24, 74, -46, 0, -136, 155),
            (239, -34, -64, -13, -35, -22, 157, 0, -642, -120),
        ),
    ),
    "spearman_broad": Fit(
        "ffffbffffffffffffdfcfcfcfffffjfffafffcaceedeeedddefffcffffcceeeeeedddefggfjjiigggg",
        (
            (1, 3, 22, -26, -3, -16, 11, 0, 3, 11),
            (-10, 0, 8, -89, 38, 76, -52, 0, 62, 47),
            (164, -16, -150, -16, -5, -10, 46, 0, -318, -74),
        ),
    ),
    "swordsman_lean": Fit(
        "ffffffffccccfccccecccdceffffffcccaccccaaeeeeeeeeeecccccccccaeeeeeeeeeeffffjjiigggg",
        (
            (35, 0, 7, -28, -5, 24, 2, 0, -3, -4),
            (66, 0, 27, -113, -3, 37, -7, 0, 11, 55),
            (-36, 0, -116, -383, -160, -102, -70, 0, -112, -393),
        ),
    ),
    "swordsman_sturdy": Fit(
        "affffbffccccfcfccecccdceffffefcccccccccaeeeeeeeeeecccccccccceeeeeeeeeeffffjjiigggg",
        (
            (-2, 7, 7, -23, -2, 23, -2, 0, -4, 4),
            (-23, 0, 33, -83, 6, 19, -18, 0, -24, 148),
            (-249, -28, -69, -224, -144, -62, 11, 0, -240, -259),
        ),
    ),
    "swordsman_broad": Fit(
        "ffffabfffcccfccccecccdccffffeececcccceaeeeeeeeeeeeccccccceeeeeeeeeeeeeffffjjiigggg",
        (
            (0, 7, 7, -25, -2, 20, 1, 0, -4, 28),
            (-42, 0, 58, -88, 13, 9, -23, 0, 214, -30),
            (-208, -66, -101, -178, -89, -50, -122, 0, -458, -138),
        ),
    ),
    "heavy_lean": Fit(
        "ajaffffffcfahehehhhhcceaeaeeeaeaaefefeaffeeceaeaeaaaaefffeafffgfggjjiigggghhhhhh",
        (
            (-21, 0, 24, 0, 20, 17, -1, -2, 18, 20),
            (-192, 0, -5, 0, 87, 36, -35, -26, 216, -46),
            (119, 0, -404, 0, 165, -2, 148, -81, -411, -68),
        ),
    ),
    "heavy_sturdy": Fit(
        "bffffffffcfahaeehhhhcceaeaeeeeaeaefefeaafeeaeaeaeaaaaefffeaffefgfgjjiigggghhhhhh",
        (
            (-27, 9, 25, 0, 26, 16, 1, -2, 24, 16),
            (-229, 0, -49, 0, 90, 34, -30, -47, -73, 129),
            (85, -168, -168, 0, 140, -15, 247, 229, -593, -114),
        ),
    ),
    "heavy_broad": Fit(
        "fbajffffffffffffececeacccefeaceaeaeeeaaaaefefeaffeeaeaeaeaaaaefefeaffegggfjjiigggg",
        (
            (-31, 9, 38, 0, 21, 9, 7, 0, 18, 18),
            (-257, 0, -25, 0, 99, 32, -25, 0, 35, 28),
            (144, -45, -416, 0, 99, 13, 207, 0, -800, -12),
        ),
    ),
    "levy_lean": Fit(
        "bbbbbbbbccccccccccccccccccacddcccaccccaagggedgdddecccccaccccgggeggdddeffggiiiigggg",
        (
            (13, -4, 27, -41, 54, -18, -4, 0, -2, 0),
            (-33, 157, 91, -95, 122, 4, -29, 0, 30, 0),
            (145, 12, -159, 75, 267, 7, -2, 0, -540, 0),
        ),
    ),
    "levy_sturdy": Fit(
        "hhhhbhhhcchccehccccccccchhhhcccccaccccaaggggdgdddecccccaccccgggedgdddeffggjjiigggg",
        (
            (21, 14, 27, -33, 60, -18, -4, -11, 4, -8),
            (69, 0, 88, -73, 142, -2, -28, 6, 105, -49),
            (122, 4, -27, 26, 165, 104, -92, -69, -284, -286),
        ),
    ),
    "levy_broad": Fit(
        "eeebbbbbccccccccccccccccccacddcacccccaaadedededddecacacccaaadedddedddefggfiiiigggg",
        (
            (15, -39, 44, -23, 42, -15, 6, 0, 0, 0),
            (-72, 106, 58, -128, 74, 5, -16, 0, 32, 0),
            (118, 56, -149, -2, 41, 403, -271, 0, -321, 0),
        ),
    ),
    "archer_lean": Fit(
        "hhhhbhbbeeeeeeeeccccccccjeaeddcecccccaaadedededddecccaceceaedddededddegggg",
        (
            (20, -63, 46, 1, -18, 0, -21, 25, 0, -11),
            (25, 5, 92, -91, -10, 0, -28, 39, 0, -30),
            (11, 8, -59, -17, -69, 0, -72, 14, 0, -138),
        ),
    ),
    "archer_sturdy": Fit(
        "eebebbbbeeeeeeeecccccccdajaecdcecccccecededededddeccccceceaededededddegggg",
        (
            (-3, -65, 45, 10, -11, 0, -21, 0, 0, -11),
            (-43, 48, 100, -81, 1, 0, -26, 0, 0, -31),
            (112, -51, -52, 9, -52, 0, -153, 0, 0, 109),
        ),
    ),
    "archer_broad": Fit(
        "hhhhhbhheeeeeeheccccccccjehhddcecacaceaededededddecccccccaeedededddddegggg",
        (
            (31, 2, 54, 9, -22, 0, -20, -28, 0, -10),
            (145, 0, 113, -61, -10, 0, -23, -1, 0, -26),
            (-26, 182, -9, -12, 8, 0, -34, 20, 0, -524),
        ),
    ),
    "officer_lean": Fit(
        "jajjffffffhhhhhfjcedcfeehhhhjfeaeaaeeaaaeedeeedddeeaeacaeaaaeeeeeededeffffhhhhhh",
        (
            (55, 0, 66, -15, 17, 25, 0, 34, 0, 16),
            (56, 0, -33, -32, 9, 38, 0, -32, 0, 163),
            (-51, 0, -181, -30, -62, -101, 0, 58, 0, -87),
        ),
    ),
    "officer_sturdy": Fit(
        "bjjjffffffhfhhhfjcedceeehhhhjfcaeaaaeaaaeefefffffeaeeacaeaaaeefefefffeffffhhhhhh",
        (
            (42, 13, 66, -52, 17, 52, 0, 33, 0, 21),
            (27, 0, -29, -174, -12, 93, 0, -34, 0, 171),
            (-14, -25, -96, -77, -57, -51, 0, 120, 0, -119),
        ),
    ),
    "officer_broad": Fit(
        "jbjjffafffhfhhhfjdecccechhhhjfaaeaeeeaaaeeeeeeeeeeeaeaeaeaaaeeeeeeeeeeefffhhhhhh",
        (
            (35, 12, 68, -7, 25, 24, 0, 28, 0, 16),
            (2, 0, -19, 10, 20, 36, 0, -42, 0, 165),
            (-4, 50, 140, -522, -46, -39, 0, 109, 0, -179),
        ),
    ),
    "bannerman_lean": Fit(
        "hhhhhhhhcfffheffhhhhcccacacafaaaeededeeddecacaccfaacdededeeddeijgigggghhhhhh",
        (
            (6, 0, 16, -21, -8, -9, -10, -3, -49, -122),
            (118, 0, -1, -53, 1, 213, -63, 5, -156, -330),
            (-118, 0, 308, -127, -26, -511, -264, 106, -522, -77),
        ),
    ),
    "bannerman_sturdy": Fit(
        "hhhhhbhhcfffheffhhhhcdcacacafaaceedededddecacaccfacceedededddeijgigggghhhhhh",
        (
            (-27, 9, 17, -16, -6, -8, -9, -5, -48, -121),
            (-5, 0, 3, -12, 19, 210, -62, -9, -157, -330),
            (-246, -6, 412, -102, -4, -483, -283, 109, -525, -62),
        ),
    ),
    "bannerman_broad": Fit(
        "hhhhhbhhcfffhcefhhhhddfffafffcaaeedededddefafafcfacaeedededddeijgigggghhhhhh",
        (
            (-24, 12, 21, -19, -10, -7, -10, -6, -49, -122),
            (-20, 0, 9, 5, 26, 204, -61, -32, -157, -330),
            (-219, -59, 558, -154, -94, -198, -295, 171, -545, -22),
        ),
    ),
}
