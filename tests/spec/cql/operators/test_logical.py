"""13. Logical Operators."""

from tests.spec.cql.operators.examples import examples

test_and = examples(
    "And",
    "If either argument is false, the result is false; if both arguments are true, the result is "
    "true; otherwise, the result is null.",
    """
    true | true | true
    true | false | false
    true | null | null
    false | true | false
    false | false | false
    false | null | false
    null | true | null
    null | false | false
    null | null | null
    """,
)

test_implies = examples(
    "Implies",
    "If the left operand evaluates to true, this operator returns the boolean evaluation of the "
    "right operand. If the left operand evaluates to false, this operator returns true. Otherwise, "
    "this operator returns true if the right operand evaluates to true, and null otherwise.",
    """
    true | true | true
    true | false | false
    true | null | null
    false | true | true
    false | false | true
    false | null | true
    null | true | true
    null | false | null
    null | null | null
    """,
)

test_not = examples(
    "Not",
    "If the argument is true, the result is false; if the argument is false, the result is true; "
    "otherwise, the result is null.",
    """
    true | false
    false | true
    null | null
    """,
)

test_or = examples(
    "Or",
    "If either argument is true, the result is true; if both arguments are false, the result is "
    "false; otherwise, the result is null.",
    """
    true | true | true
    true | false | true
    true | null | true
    false | true | true
    false | false | false
    false | null | null
    null | true | true
    null | false | null
    null | null | null
    """,
)

test_xor = examples(
    "Xor",
    "True if and only if one argument is true and the other is false, ... If either or both "
    "arguments are null, the result is null.",
    """
    true | true | false
    true | false | true
    false | true | true
    false | false | false
    true | null | null
    null | false | null
    null | null | null
    """,
)
