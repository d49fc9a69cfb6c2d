"""14. Nullological Operators."""

from tests.spec.cql.operators.examples import examples

test_coalesce = examples(
    "Coalesce",
    "The Coalesce operator returns the first non-null result in a list of arguments. If all "
    "arguments evaluate to null, the result is null.",
    """
    null | 15 | null | 15
    false | true | false
    null | null | null
    { null, null, 'a' } | 'a'
    { } | null
    { 1 } | null | { 1 }
    """,
)

test_is_false = examples(
    "IsFalse",
    "If the argument evaluates to false, the result is true; if the argument evaluates to true or "
    "null, the result is false.",
    """
    false | true
    true | false
    null | false
    """,
)

test_is_null = examples(
    "IsNull",
    "If the argument evaluates to null, the result is true; otherwise, the result is false.",
    """
    null | true
    0 | false
    '' | false
    { } | false
    """,
)

test_is_true = examples(
    "IsTrue",
    "If the argument evaluates to true, the result is true; if the argument evaluates to false or "
    "null, the result is false.",
    """
    true | true
    false | false
    null | false
    """,
)
