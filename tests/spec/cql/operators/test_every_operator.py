"""Every operator of the ELM specification is there.

The names are those of https://cql.hl7.org/04-logicalspecification.html, chapter by chapter.
"""

import pytest

from service.cql.lowering import RULES
from service.cql.operators import lowered

lowered.register()

CHAPTERS = {
    "1-8. Values and references": """
        Literal Tuple Instance Property Code CodeRef CodeSystemRef Concept ConceptRef Quantity Ratio
        ValueSetRef""",
    "9. Reusing Logic": "ExpressionRef FunctionRef ParameterRef OperandRef IdentifierRef",
    "10. Queries": "AliasRef Query QueryLetRef",
    "11. External Data": "Retrieve",
    "12. Comparison": "Equal Equivalent Greater GreaterOrEqual Less LessOrEqual NotEqual",
    "13. Logical": "And Implies Not Or Xor",
    "14. Nullological": "Null Coalesce IsFalse IsNull IsTrue",
    "15. Conditional": "Case If",
    "16. Arithmetic": """
        Abs Add Ceiling Divide Exp Floor HighBoundary Log LowBoundary Ln MaxValue MinValue Modulo
        Multiply Negate Power Precision Predecessor Round Subtract Successor Truncate
        TruncatedDivide""",
    "17. String": """
        Combine Concatenate EndsWith Indexer LastPositionOf Length Lower Matches PositionOf
        ReplaceMatches Split SplitOnMatches StartsWith Substring Upper""",
    "18. Date and Time": """
        Date DateFrom DateTime DateTimeComponentFrom DifferenceBetween DurationBetween Now SameAs
        SameOrBefore SameOrAfter Time TimeFrom TimezoneFrom TimezoneOffsetFrom TimeOfDay Today""",
    "19. Interval": """
        Interval After Before Collapse Contains End Ends Except Expand In Includes IncludedIn
        Intersect Meets MeetsBefore MeetsAfter Overlaps OverlapsBefore OverlapsAfter PointFrom
        ProperContains ProperIn ProperIncludes ProperIncludedIn Size Start Starts Union Width""",
    "20. List": """
        List Current Distinct Exists Filter First Flatten ForEach IndexOf Last Repeat SingletonFrom
        Slice Sort Times Aggregate""",
    "21. Aggregate": """
        AllTrue AnyTrue Avg Count GeometricMean Product Max Median Min Mode PopulationVariance
        PopulationStdDev Sum StdDev Variance""",
    "22. Type": """
        As CanConvert CanConvertQuantity Children Convert ConvertQuantity ConvertsToBoolean
        ConvertsToDate ConvertsToDateTime ConvertsToDecimal ConvertsToLong ConvertsToInteger
        ConvertsToQuantity ConvertsToRatio ConvertsToString ConvertsToTime Descendants Is ToBoolean
        ToChars ToConcept ToDate ToDateTime ToDecimal ToInteger ToList ToLong ToQuantity ToRatio
        ToString ToTime""",
    "23. Clinical": """
        AnyInCodeSystem AnyInValueSet CalculateAge CalculateAgeAt InCodeSystem InValueSet
        ExpandValueSet SubsumedBy Subsumes""",
    "24. Errors and Messages": "Message",
}


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_every_node_of_the_chapter_is_understood(chapter: str) -> None:
    assert set(CHAPTERS[chapter].split()) <= RULES.keys()
