"""The precisions of dates and times, from year to millisecond."""

NAMES = ("year", "month", "day", "hour", "minute", "second", "millisecond")
YEAR, MONTH, DAY, HOUR, MINUTE, SECOND, MILLISECOND = range(7)
INDEX = {name: index for index, name in enumerate(NAMES)}

# Milliseconds in one unit of each precision; years and months have no fixed length.
SPAN = (0, 0, 86_400_000, 3_600_000, 60_000, 1_000, 1)
DAY_SPAN = SPAN[DAY]
MINUTE_SPAN = SPAN[MINUTE]
