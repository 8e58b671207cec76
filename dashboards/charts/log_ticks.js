// Where marks of a logarithmic axis stand: as many parts of a decade as have room, or whole decades with gaps.
const low = Math.min(cb_data.start, cb_data.end), high = Math.max(cb_data.start, cb_data.end)
if (!(low > 0 && high > low && isFinite(high))) return []
const size = plot.properties[across ? "inner_width" : "inner_height"]
const room = size.is_unset ? 600 : size.get_value() // before the first layout
const apart = across ? (room < 420 ? 48 : 80) : 32
const decade = room / Math.log10(high / low)
const gap = (parts) => Math.min(...parts.map((part, at) => Math.log10((parts[at + 1] ?? 10 * parts[0]) / part)))
const dense = [[1, 2, 3, 4, 5, 6, 7, 8, 9], [1, 2, 3, 5], [1, 2, 5], [1, 3]].find((parts) => gap(parts) * decade >= apart)
const marks = (parts, every) => {
  const found = []
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++) {
    if (power % every === 0) for (const part of parts) found.push(Number(`${part}e${power}`))
  }
  return found.filter((mark) => mark >= low && mark <= high)
}
const found = marks(dense ?? [1], dense ? 1 : Math.max(1, Math.ceil(apart / decade)))
if (found.length > 2) return found
// On part of a decade even steps say more: as wide as they must be at the high end, where they lie closest.
const power = Math.floor(Math.log10(high - low))
const steps = [power - 1, power, power + 1].flatMap((power) => [1, 2, 5].map((part) => Number(`${part}e${power}`)))
const step = steps.find((step) => step < high && Math.log10(high / (high - step)) * decade >= apart)
const even = []
for (let at = Math.ceil(low / step); at * step <= high; at++) even.push(Number((at * step).toPrecision(12)))
if (even.length > 2) return even
// Or whatever has room, the roundest first.
const round = []
for (const part of [1, 2, 5, 3, 7, 4, 6, 8, 9]) {
  for (const mark of marks([part], 1)) {
    if (round.every((other) => Math.abs(Math.log10(other / mark)) * decade >= apart)) round.push(mark)
  }
}
return [found, even, round.sort((one, other) => one - other)].reduce((most, some) => some.length > most.length ? some : most)
