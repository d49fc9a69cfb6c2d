"""22. Type Operators: conversions."""

from tests.spec.cql.operators.examples import examples

test_can_convert_quantity = examples(
    "CanConvertQuantity",
    "True if the Quantity can be converted to an equivalent Quantity with the given Unit.",
    """
    5 'mg' | 'g' | true
    5 'mg' | 'L' | false
    5 year | 'd' | false
    5 'mg' | null | null
    """,
)

test_convert_quantity = examples(
    "ConvertQuantity",
    "According to the conversion specified by UCUM. ... Otherwise, the result is null.",
    """
    5 'mg' | 'g' | 0.005 'g'
    1 '[lb_av]' | 'kg' | 0.45359237 'kg'
    98.6 '[degF]' | 'Cel' | 37 'Cel'
    180 'mg/dL' | 'g/L' | 1.8 'g/L'
    5 '10*3/uL' | '10*9/L' | 5 '10*9/L'
    1 'ng' | 'kg' | 0.000000000001 'kg'
    2 weeks | 'd' | 14 'd'
    5 'mg' | 'L' | null
    5 '[iU]' | 'mg' | null
    """,
)

test_children = examples(
    "Children",
    "A list of all the values of the elements of the type. List-valued elements are expanded and "
    "added to the result individually.",
    """
    Tuple { a: 1, b: { 2, 3 } } | { 1, 2, 3 }
    { Tuple { a: 1 }, Tuple { a: 2 } } | { 1, 2 }
    5 'mg' | { 5.0, 'mg' }
    null | null
    """,
)

test_descendants = examples(
    "Descendants",
    "A list of all the values of the elements of the type, recursively.",
    """
    Tuple { a: Tuple { b: 1 }, c: 2 } | { Tuple { b: 1 }, 1, 2 }
    null | null
    """,
)

test_to_boolean = examples(
    "ToBoolean",
    "Accepts 'true', 't', 'yes', 'y', and '1' as string representations of true, ignoring case.",
    """
    'y' | true
    'NO' | false
    '0' | false
    'falsetto' | null
    1 | true
    0L | false
    2 | null
    1.0 | true
    0.5 | null
    """,
)

test_to_chars = examples("ToChars", "One string for each character.", "'abc' | { 'a', 'b', 'c' }")

test_to_concept = examples(
    "ToConcept",
    "If the Code has a display value, the resulting Concept will have the same display value. If "
    "the input is a list of Codes, the resulting Concept ... will not have a display value.",
    """
    Code { code: 'a', display: 'A' } | Concept { codes: { Code { code: 'a', display: 'A' } }, display: 'A' }
    { Code { code: 'a' }, Code { code: 'b' } } | Concept { codes: { Code { code: 'a' }, Code { code: 'b' } } }
    """,  # noqa: E501
)

test_to_date = examples(
    "ToDate",
    "If the input string is not formatted correctly, or does not represent a valid date value, the "
    "result is null. ... Can take datetime formatted strings and will ignore the time portions.",
    """
    '2014-01' | @2014-01
    '2014-01-01T12:30:00' | @2014-01-01
    '2014/01/01' | null
    '2014-02-30' | null
    @2014-01-01T23:30:00.000-01:00 | @2014-01-02
    """,
)

test_to_date_time = examples(
    "ToDateTime",
    "If no timezone offset is supplied, the timezone offset of the evaluation request timestamp is "
    "assumed. For Date values, the result is a DateTime with the time components unspecified.",
    """
    '2014-01-01' | @2014-01-01T
    '2014-01-01T14:30:00.0' | @2014-01-01T14:30:00.000Z
    '2014-01-01T14:30:00.0-07:00' | @2014-01-01T14:30:00.000-07:00
    '2014-01-01T25:30:00' | null
    '2014-01-01T14:30:00.0+99:00' | null
    @2014-01 | @2014-01T
    """,
)

test_to_decimal = examples(
    "ToDecimal",
    "(+|-)?#0(.0#)?",
    """
    '-0.1' | -0.1
    '+25.5' | 25.5
    '+-0.1' | null
    '.1' | null
    '0.123456789' | 0.12345679
    '99999999999999999999999999999' | null
    true | 1.0
    5 | 5.0
    """,
)

test_to_integer = examples(
    "ToInteger",
    "If the input string is not formatted correctly, or cannot be interpreted as a valid Integer "
    "value, the result is null.",
    """
    '-25' | -25
    'one' | null
    '1.0' | null
    '2147483648' | null
    5L | 5
    2147483648L | null
    true | 1
    """,
)

test_to_long = examples(
    "ToLong",
    "Must be a valid value in the range representable for Long values in CQL.",
    """
    '2147483648' | 2147483648L
    5 | 5L
    '9223372036854775808' | null
    """,
)

test_to_list = examples(
    "ToList",
    "If the argument is null, the operator returns an empty list.",
    """
    1 | { 1 }
    null | { }
    """,
)

test_to_quantity = examples(
    "ToQuantity",
    "... all optionally followed by a unit designator as a string literal specifying a valid UCUM "
    "unit of measure or calendar duration keyword, singular or plural.",
    r"""
    '-0.1 \'mg\'' | -0.1 'mg'
    '5.5\'cm\'' | 5.5 'cm'
    '4 days' | 4 days
    '444 \'cm' | null
    '5 \'foo\'' | null
    '5 fortnights' | null
    13 | 13 '1'
    0.1 | 0.1 '1'
    5 'mg':2 'mL' | 2.5 'mg/mL'
    """,
)

test_to_ratio = examples(
    "ToRatio",
    "<quantity>:<quantity>",
    r"""
    '1.0 \'mg\':2.0 \'mg\'' | 1.0 'mg':2.0 'mg'
    '1:128' | 1:128
    '1.0 \'mg\';2.0 \'mg\'' | null
    '1.0' | null
    """,
)

test_to_string = examples(
    "ToString",
    "The result of any ToString must be round-trippable back to the source value.",
    r"""
    true | 'true'
    -5 | '-5'
    5L | '5'
    18.55 | '18.55'
    125 'cm' | '125 \'cm\''
    4 days | '4 days'
    1 'mg':2 'mL' | '1 \'mg\':2 \'mL\''
    @2012-01 | '2012-01'
    @T12:30:00.000 | '12:30:00.000'
    @2012-01-01T12:30:00.000-05:00 | '2012-01-01T12:30:00.000-05:00'
    @2012-01-01T12:30:00.000Z | '2012-01-01T12:30:00.000'
    'a' | 'a'
    { 1 } | error
    """,
)

test_to_time = examples(
    "ToTime",
    "hh:mm:ss.fff ... or does not represent a valid time-of-day value, the result is null.",
    """
    '14:30:00.0' | @T14:30:00.000
    'T14:30' | @T14:30
    '24:30' | null
    '14-30' | null
    @2012-01-01T12:30:00.000Z | @T12:30:00.000
    """,
)

test_converts_to = [
    examples(name, "True if the value of its argument is or can be converted.", table)
    for name, table in {
        "ConvertsToBoolean": "'yes' | true\n'maybe' | false\n2 | false\nnull | null",
        "ConvertsToDate": "'2014-01' | true\n'2014-13' | false\n5 | false",
        "ConvertsToDateTime": "'2014-01T' | true\n'x' | false",
        "ConvertsToDecimal": "'0.1' | true\n'0.123456789' | false\n'x' | false\ntrue | true",
        "ConvertsToInteger": "'5' | true\n'5.5' | false\n2147483648L | false",
        "ConvertsToLong": "'5' | true\n'x' | false",
        "ConvertsToQuantity": "'5 days' | true\n'x' | false\n5 | true\n1:2 | true\ntrue | false",
        "ConvertsToRatio": "'1:2' | true\n'1' | false",
        "ConvertsToString": "5 | true\n@2014 | true\n{ 1 } | false",
        "ConvertsToTime": "'10:30' | true\n'x' | false",
    }.items()
]
(
    test_converts_to_boolean,
    test_converts_to_date,
    test_converts_to_date_time,
    test_converts_to_decimal,
    test_converts_to_integer,
    test_converts_to_long,
    test_converts_to_quantity,
    test_converts_to_ratio,
    test_converts_to_string,
    test_converts_to_time,
) = test_converts_to
del test_converts_to
