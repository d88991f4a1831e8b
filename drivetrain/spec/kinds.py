"""Kinds of faults that a plan can have; the last two digits of a finding's id.

The digit before says in which part: `DS1xx` the file and the project, `DS2xx` objective and decision, `DS3xx` levers,
`DS4xx` data, `DS5xx` models, simulator and optimizer, `DS6xx` deployment and maintenance.
"""

MISSING, EXTRA, WRONG_KIND, CHOICE, LIMIT, QUESTION, ONE_OF, EMPTY = 1, 2, 3, 4, 5, 6, 7, 8
COMMENT, FORMULA, NOT_DEFINED, TYPE, LATE, LITERAL, DOUBLE, LEVEL = 9, 10, 11, 12, 13, 14, 15, 16
REFERENCE, CLASH, ORDER, CIRCLE = 17, 18, 19, 20
FILE, REPEATED, TAG, KEY, CUT, VERSION = 21, 22, 23, 24, 25, 26

MEANINGS = {
    MISSING: "A field is missing that the rest of its part cannot be read without.",
    EXTRA: "There is no such field; it is misspelt, or belongs elsewhere.",
    WRONG_KIND: 'A value is of the wrong kind, such as the number `0` for the class `"0"`.',
    CHOICE: "A value is none of those that the field knows.",
    LIMIT: "A value is out of bounds, or not written as it must be.",
    QUESTION: "`unknown` where a value is needed for the rest to be read.",
    ONE_OF: "Exactly one of two fields must be there.",
    EMPTY: "A field stands without a value; none on purpose is `[]` or `{}`.",
    COMMENT: "YAML took the end of a formula for a comment.",
    FORMULA: "A formula cannot be read, or holds what formulas do not have.",
    NOT_DEFINED: "A formula names something that is not defined; in a draft only a note.",
    TYPE: "Types do not fit: a category in a sum, a number for a truth value, a task that predicts something else.",
    LATE: "Something that records what was done, or is known only afterwards, in what decides.",
    LITERAL: "A text that is none of a category's values, or two categories without a common value.",
    DOUBLE: "A name is defined twice, or is built in.",
    LEVEL: "A figure of all cases where one case is meant, or the reverse.",
    REFERENCE: "A source, lever, outcome or model that is referred to is not there.",
    CLASH: "Two values of the plan contradict each other.",
    ORDER: "A part stands before those that it builds on.",
    CIRCLE: "Terms, joins or models wait for each other.",
    FILE: "The file is no YAML, no UTF-8, or too large.",
    REPEATED: "A key stands twice.",
    TAG: "A value has a YAML tag.",
    KEY: "A key is no text.",
    CUT: "YAML cut an unquoted formula at its comma.",
    VERSION: "The plan is written in a newer version of the language.",
}
