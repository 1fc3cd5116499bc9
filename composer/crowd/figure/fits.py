"""How the coarse levels of the built-in figures are bent; found by `python -m benchmarks.levels --fit`."""

from __future__ import annotations

from composer.crowd.figure.levels import Fit

#: By figure. See `levels.Fit`.
FITS: dict[str, Fit] = {
    "spearman_lean": Fit(
        "fffffffffffffffffdfcfcfcffffjjfafafffcaagggegeddggfffcfffcccggeegggdgegffgjjiigggg",
        (
            (32, 0, 30, -24, 31, -11, -16, 0, 12, 10),
            (86, 0, 9, -73, 100, 118, -69, 0, 183, 3),
            (155, 0, -174, 48, 20, -23, 7, 0, -381, -50),
        ),
    ),
    "spearman_sturdy": Fit(
        "fffffbfffffffffffdfcfcfcffffjjfafafffcaceedeeedddefffffcfccceeeeeedddeffggjjiigggg",
        (
            (5, 6, 27, -26, 0, -14, 8, 0, 13, 11),
            (19, 0, 23, -44, 24, 91, -39, 0, -140, 145),
            (262, -50, -119, 34, -40, 0, 106, 0, -522, -103),
        ),
    ),
    "spearman_broad": Fit(
        "ffffbffffffffffffdfcfcfcfffffjfcfafffcaceeeeeedddefffcfafccaeedeeedddeffggjjiigggg",
        (
            (5, 3, 26, -22, 0, -11, 6, 0, 5, 12),
            (14, 0, 12, -52, 39, 93, -47, 0, 67, 46),
            (349, -46, -202, 5, 13, -36, 140, 0, -479, -107),
        ),
    ),
    "swordsman_lean": Fit(
        "ffffffffccccfccccecccdceffffefcccaccccaaeeeeeeeeeecccccaccceeeeeeeeeeeffffjjiigggg",
        (
            (34, 0, 17, -30, -4, 27, 8, 0, -3, -4),
            (82, 0, 45, -76, -1, 44, -4, 0, 10, 45),
            (-57, 0, -98, -394, -160, -104, -68, 0, -90, -414),
        ),
    ),
    "swordsman_sturdy": Fit(
        "fffffbffccccfccccecccdcefffcefccccccceaaeeeeeeeeeecccccacaceeeeeeeeeeeffffjjiigggg",
        (
            (3, 5, 17, -19, -1, 26, 0, 0, -5, 3),
            (-2, 0, 52, -49, 6, 29, -12, 0, -21, 134),
            (-246, 18, -59, -336, -131, -79, 5, 0, -271, -253),
        ),
    ),
    "swordsman_broad": Fit(
        "fffffbfffcccfccccecccdccffffeecccaccceaeeeeeeeeeeeccccccceeeeeeeeeeeeeefffjjiigggg",
        (
            (3, 9, 19, -20, 0, 22, 3, 0, -1, 25),
            (-24, 0, 75, -51, 16, 18, -26, 0, 212, -35),
            (-52, 2, -80, -249, -86, -69, -170, 0, -430, -105),
        ),
    ),
    "heavy_lean": Fit(
        "ffjafffffcfahceehhhhceeaeaeeeaaaaefefeaffeeeeaeaeaaaaefffeaffegfggjjiigggghhhhhh",
        (
            (-17, 0, 30, 0, 22, 19, -8, 2, 23, 19),
            (-173, 0, -7, 0, 91, 37, -28, -26, 241, -51),
            (161, 0, -424, 0, 161, -59, 214, 60, -659, -7),
        ),
    ),
    "heavy_sturdy": Fit(
        "fbfffffffafchcheehhhcceaeaeeeeaaaeeefeaffeeeeaeaeaaaaefffeaffegfggjjiigggghhhhhh",
        (
            (-21, 18, 36, 0, 28, 18, -5, 4, 23, 16),
            (-205, 0, -45, 0, 94, 35, -21, -42, -78, 126),
            (157, -111, -155, 0, 130, -73, 290, 159, -684, -85),
        ),
    ),
    "heavy_broad": Fit(
        "bfjaffffffffffffeccceaeceefeaceaeaeceaaeaefefeaffeeaeaeaeaaaaefefeaffegfggjjiigggg",
        (
            (-23, 22, 46, 0, 23, 12, 0, 0, 16, 17),
            (-232, 0, -29, 0, 102, 34, -16, 0, 36, 24),
            (185, -69, -393, 0, 90, -39, 228, 0, -800, 26),
        ),
    ),
    "levy_lean": Fit(
        "bbbbbbbbccccccccccccccccccaccdcccaccccaagggedgdddecccccccaccgggeggdddeffggiiiigggg",
        (
            (16, -3, 30, -36, 51, -17, -7, 0, -2, 0),
            (-22, 160, 105, -67, 127, -8, -22, 0, 26, 0),
            (102, 35, -119, 51, 249, 7, 0, 0, -535, 0),
        ),
    ),
    "levy_sturdy": Fit(
        "ahhhbhhhhccccchccccccccchhhhcdccccccccaagggedgdddecccccaccccgggeggdddeffggjjiigggg",
        (
            (23, 13, 31, -37, 59, -17, -6, -9, 1, -4),
            (78, 0, 103, -48, 144, -12, -20, 15, 96, -46),
            (208, 27, -60, 53, 264, 62, -48, -114, -377, -330),
        ),
    ),
    "levy_broad": Fit(
        "eebebbbbccccccccccccccccccaccdcccccccaaadedededddecacacacaaadedddedddefggfiiiigggg",
        (
            (15, -38, 50, -14, 43, -14, 3, 0, 0, 0),
            (-60, 115, 70, -101, 80, -5, -5, 0, 27, 0),
            (125, 32, -128, 3, 56, 369, -245, 0, -332, 0),
        ),
    ),
    "archer_lean": Fit(
        "hhhhbhbbeeeeeeeeccccccccjaaeddccccccceaadedededddeccccceceaedddededddeggeg",
        (
            (20, -64, 50, 9, -14, 0, -20, 23, 0, -11),
            (49, 31, 106, -58, -8, 0, -29, 50, 0, -30),
            (-3, 12, -49, -24, -62, 0, -2, 15, 0, -115),
        ),
    ),
    "archer_sturdy": Fit(
        "eebebbbbeeeeeeeeccccccccjaaeddccccccceaededededddeccccccceeedddededddeggeg",
        (
            (-5, -74, 49, 21, -9, 0, -18, 0, 0, -12),
            (-28, 57, 115, -46, 4, 0, -27, 0, 0, -31),
            (78, -18, -41, 2, -38, 0, 23, 0, 0, -318),
        ),
    ),
    "archer_broad": Fit(
        "hhhhhbhheeeeeeeeccccccccjhhhddcccccccaaadddededddecccccacacedddededddeggeg",
        (
            (32, 5, 58, 18, -19, 0, -19, -24, 0, -11),
            (158, 0, 128, -26, -8, 0, -24, 14, 0, -27),
            (-23, 162, -18, -4, -26, 0, 5, 104, 0, -469),
        ),
    ),
    "officer_lean": Fit(
        "ajjjafffffhfhhhfjcedcfeehhhhjjeceaaeeaaaeedeeedddeeeeaeceaaeeeeeeedddeffffhhhhhh",
        (
            (56, 0, 76, -10, 17, 24, 0, 41, 0, 21),
            (65, 0, -29, -10, 13, 41, 0, -31, 0, 152),
            (-20, 0, -126, -47, -63, -80, 0, 109, 0, -211),
        ),
    ),
    "officer_sturdy": Fit(
        "abjjffffffhfhhhfjcedcfeehhhhjjeeeaeaeaaaeefffeeffeeceaeaeaaaeefefeeffeffffhhhhhh",
        (
            (46, 37, 78, -50, 16, 51, 0, 41, 0, 26),
            (35, 0, -30, -138, -10, 100, 0, -32, 0, 160),
            (-7, 7, -175, -111, -56, -53, 0, 107, 0, -29),
        ),
    ),
    "officer_broad": Fit(
        "ajjfffbfffhfhhhfjdecccechhhhjjeeeaeaeaaaeeeeeeeeeeeeeaeaeaaaeeeeeeeeeeefffhhhhhh",
        (
            (41, 40, 83, 1, 23, 22, 0, 36, 0, 25),
            (7, 0, -17, 43, 26, 40, 0, -37, 0, 155),
            (-22, 58, -6, -416, -43, -71, 0, 92, 0, -2),
        ),
    ),
    "bannerman_lean": Fit(
        "hhhhhhhhfffchcefhhhhddcafafafcaaeedededdeecacafafaaceeeededddeijgigggghhhhhh",
        (
            (9, 0, 19, -19, -7, -5, -9, 1, -45, -122),
            (143, 0, 3, -29, 9, 218, -67, 8, -158, -365),
            (-127, 0, 494, -165, -143, -358, -83, 139, -800, -715),
        ),
    ),
    "bannerman_sturdy": Fit(
        "hhhhhbhhcfffhcefhhhhddfaccfafaaceeeededddefacafafaaceedededddeijgigggghhhhhh",
        (
            (-20, 21, 25, -13, -4, -4, -9, 1, -45, -122),
            (27, 0, 6, 12, 26, 213, -65, -4, -157, -364),
            (-147, -15, 511, -241, -159, -241, -78, 205, -800, -747),
        ),
    ),
    "bannerman_broad": Fit(
        "aahhbbaacfffhehfhhhhddfffccffccceeeededddeccfcfcfcccdededeeedeijgigggghhhhhh",
        (
            (-20, 10, 24, -14, -7, -2, -8, -2, -45, -122),
            (19, 0, 13, 33, 35, 210, -65, -23, -158, -365),
            (-45, -23, 286, -105, -50, -109, -97, 105, -800, -667),
        ),
    ),
}
