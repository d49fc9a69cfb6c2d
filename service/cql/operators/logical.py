"""13. Logical Operators, in three-valued logic: true, false and null (unknown).

Section numbers are those of https://cql.hl7.org/04-logicalspecification.html.
"""

from service.cql.operators.registry import operator

Ternary = bool | None

# 13.1. And


@operator("And", nulls="handle")
def and_(left: Ternary, right: Ternary) -> Ternary:
    """False if either is, else null if either is."""
    if left is False or right is False:
        return False
    return None if left is None or right is None else True


# 13.2. Implies


@operator("Implies", nulls="handle")
def implies(left: Ternary, right: Ternary) -> Ternary:
    """`not left or right`."""
    return or_(not_(left), right)


# 13.3. Not


@operator("Not", nulls="handle")
def not_(operand: Ternary) -> Ternary:
    """The negation; null of null."""
    return None if operand is None else not operand


# 13.4. Or


@operator("Or", nulls="handle")
def or_(left: Ternary, right: Ternary) -> Ternary:
    """True if either is, else null if either is."""
    if left is True or right is True:
        return True
    return None if left is None or right is None else False


# 13.5. Xor


@operator("Xor", nulls="propagate")
def xor(left: bool, right: bool) -> bool:
    """True if exactly one is."""
    return left is not right
