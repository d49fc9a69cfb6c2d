"""Statistical process control: numbers in, numbers out, for both programs and anyone's table.

Pure functions on short series. A point is in one of four states (`point.State`); only a final
number is ever judged. Each file cites the source of the rule or formula that it holds.

- `chart.control_chart`: a chart over time of a `kind` (run, p, p', u, u', c, I, MR, I', g, t), made
  of `subgroup.Subgroup`s, judged by one of the `rules`; `contract` gives it to others, `summary`
  in words, `icons` as two icons.
- `cusum.bernoulli_cusum`: single cases in order; `between` makes gaps of them.
- `funnel.funnel`: units side by side; `shrinkage` draws small ones toward the common rate.
- `rounding.variance`: what disclosure rounding adds to a count's scatter; `power`: whether a
  silent chart could have spoken.
- `table.read_table`: anyone's table as subgroups.
"""
