"""17. String Operators."""

from tests.spec.cql.operators.examples import examples

test_combine = examples(
    "Combine",
    "For consistency with aggregate operator behavior, null elements in the input list are "
    "ignored. If the separator argument is null, it is ignored.",
    """
    { 'A', 'B', 'C' } | null | 'ABC'
    { 'A', 'B', 'C' } | '-' | 'A-B-C'
    { 'A', null, 'C' } | ' ' | 'A C'
    { } | null | null
    null | null | null
    """,
)

test_concatenate = examples(
    "Concatenate",
    "If any argument is null, the result is null.",
    """
    'John' | ' Doe' | 'John Doe'
    'John' | null | null
    """,
)

test_ends_with = examples(
    "EndsWith",
    "If the suffix is the empty string, the result is true.",
    """
    'ABC' | 'C' | true
    'ABC' | 'Z' | false
    'ABC' | '' | true
    'ABC' | null | null
    """,
)

test_indexer = examples(
    "Indexer",
    "If the index is less than 0 or greater than the length of the string or list being indexed, "
    "the result is null.",
    """
    'ABCDE' | 2 | 'C'
    'ABCDE' | 14 | null
    'ABCDE' | -1 | null
    { 1, 3, 5 } | 1 | 3
    { 1, 3, 5 } | 3 | null
    { 1, 3, 5 } | null | null
    """,
)

test_last_position_of = examples(
    "LastPositionOf",
    "If the pattern is not found, the result is -1.",
    """
    'B' | 'ABCDEDCBA' | 7
    'XYZ' | 'ABCDE' | -1
    null | 'ABCDE' | null
    """,
)

test_length_of_a_string = examples(
    "Length",
    "The number of characters in a string. If the argument is null, the result is null.",
    """
    'ABCDE' | 5
    '' | 0
    null | null
    """,
)

test_lower = examples("Lower", "All characters converted to lowercase.", "'ABcde' | 'abcde'")

test_matches = examples(
    "Matches",
    "Case-sensitive, use partial matching, use single line mode, and allow Unicode characters. The "
    "start and end of line markers ^, $ can be used to match the entire string.",
    r"""
    '1,2three' | '\\d,\\d\\w+' | true
    '1,2three' | '^\\w+$' | false
    'http://fhir.org/Library' | 'Library' | true
    'a\nb' | 'a.b' | true
    'A' | 'a' | false
    'é' | '^\\w$' | true
    'a' | null | null
    'a' | '(' | error
    """,
)

test_position_of = examples(
    "PositionOf",
    "The 0-based index of the beginning given pattern in the given string.",
    """
    'B' | 'ABCDEDCBA' | 1
    'Z' | 'ABCDE' | -1
    null | 'ABCDE' | null
    """,
)

test_replace_matches = examples(
    "ReplaceMatches",
    "The substitution string may refer to identified match groups in the regular expression.",
    r"""
    'ABCDE' | 'C' | 'XYZ' | 'ABXYZDE'
    'ABCDE' | 'XYZ' | '123' | 'ABCDE'
    'John Doe' | '(\\w+) (\\w+)' | '$2, $1' | 'Doe, John'
    'a b' | '\\s' | '\\$' | 'a$b'
    'ABCDE' | 'C' | '$1' | error
    'ABCDE' | 'C' | null | null
    """,
)

test_split = examples(
    "Split",
    "If the stringToSplit argument does not contain any appearances of the separator, the result "
    "is a list of strings containing one element that is the value of the stringToSplit argument.",
    """
    'A B C' | ' ' | { 'A', 'B', 'C' }
    'A B C' | ',' | { 'A B C' }
    'A B C' | null | { 'A B C' }
    null | ' ' | null
    """,
)

test_split_on_matches = examples(
    "SplitOnMatches",
    "Splits a string into a list of strings using matches of a regex pattern.",
    r"""
    'a1b22c' | '\\d+' | { 'a', 'b', 'c' }
    'a1b' | '(\\d)' | { 'a', 'b' }
    'abc' | '\\d' | { 'abc' }
    null | '\\d' | null
    """,
)

test_starts_with = examples(
    "StartsWith",
    "If the prefix is the empty string, the result is true.",
    """
    'ABCDE' | 'ABC' | true
    'ABCDE' | 'XYZ' | false
    'ABCDE' | '' | true
    """,
)

test_substring = examples(
    "Substring",
    "If stringToSub or startIndex is null, or startIndex is out of range, the result is null.",
    """
    'ABCDE' | 2 | null | 'CDE'
    'ABCDE' | 2 | 1 | 'C'
    'ABCDE' | 3 | 9 | 'DE'
    'ABCDE' | 5 | null | null
    'ABCDE' | -1 | null | null
    'ABCDE' | null | null | null
    '' | 0 | null | ''
    """,
)

test_upper = examples("Upper", "All characters converted to upper case.", "'abCDE' | 'ABCDE'")
