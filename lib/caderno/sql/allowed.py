"""What a query may be made of: the kinds of node, the functions and the types that the guard lets through.

Everything not named here is refused, so that a new version of the parser cannot let in what nobody thought of. Left out
on purpose: what differs from call to call (random, now), sees the process (getenv, current_setting, version), makes
rows or text out of nothing (range, unnest, repeat, lpad), runs text (query, try), and lists, structs, JSON and lambdas.
"""

from __future__ import annotations

# Classes of sqlglot.expressions that are no function.
NODES = """
Add Alias All Any Between Boolean CTE Column DPipe DataType DataTypeParam Distinct Div EQ Escape Except Fetch Filter
From GT GTE Group GroupingSets Cube Rollup Having ILike Identifier IgnoreNulls In IntDiv Intersect Interval IntervalSpan
Is Join LT LTE Like Limit LimitOptions Literal Mod Mul NEQ Neg Not Null NullSafeEQ NullSafeNEQ Offset Order Ordered
Paren Qualify Select SimilarTo Star Sub Subquery Table TableAlias Tuple Union Var Where Window WindowSpec With
WithinGroup Xor
""".split()

# Classes of sqlglot.expressions that are functions: the logic that the parser counts as such, aggregates and windows,
# numbers, text, dates.
FUNCTIONS = """
And Or Case If Coalesce Nullif Exists Cast TryCast Greatest Least
Count CountIf Sum Avg Min Max Median Mode Quantile PercentileCont PercentileDisc ApproxDistinct Stddev StddevPop
StddevSamp Variance VariancePop Corr CovarPop CovarSamp Kurtosis Skewness LogicalAnd LogicalOr AnyValue First Last
ArgMax ArgMin GroupConcat Grouping RowNumber Rank DenseRank PercentRank CumeDist Ntile Lag Lead FirstValue LastValue
NthValue Abs Ceil Floor Round Trunc Sign Sqrt Cbrt Exp Ln Log Pow
Concat ConcatWs Contains StartsWith EndsWith Left Right Length Lower Upper Trim Replace Reverse Translate Substring
SplitPart StrPosition RegexpLike RegexpExtract RegexpReplace Levenshtein
Extract Year Quarter Month Week WeekOfYear Day DayOfMonth DayOfWeek DayOfWeekIso DayOfYear Dayname Monthname Hour Minute
Second Date DateAdd DateSub DateDiff DateTrunc TimestampTrunc DateBin DateFromParts LastDay TimeToStr StrToTime
TimeToUnix ToDays
""".split()

# Functions that sqlglot knows by name only, in lower case.
NAMES = frozenset(
    """
    date_part datepart date_sub datesub isfinite isnan product sum_distinct mad strip_accents prefix suffix yearweek
    isodow isoyear week weekday even degrees radians
    """.split()
)

# Names that DuckDB reads as functions or as the engine's own columns where no such column is, even between quotes.
RESERVED = frozenset(
    """
    current_catalog current_date current_role current_schema current_time current_timestamp current_user localtime
    localtimestamp rowid session_user user
    """.split()
)

# Types that a value may be cast to (sqlglot.expressions.DataType.Type).
TYPES = """
BOOLEAN TINYINT SMALLINT INT BIGINT INT128 UTINYINT USMALLINT UINT UBIGINT FLOAT DOUBLE DECIMAL TEXT VARCHAR CHAR DATE
TIME TIMESTAMP TIMESTAMPNTZ INTERVAL
""".split()
