#include "bench/statistics.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace warmfs::bench {

double Median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  if (values.size() % 2 == 1) return values[middle];
  return (values[middle - 1] + values[middle]) / 2;
}

double Percentile(std::vector<double> values, double share) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const double rank = std::ceil(share * static_cast<double>(values.size()));
  return values[std::clamp<size_t>(static_cast<size_t>(rank), 1,
                                   values.size()) -
                1];
}

Ratio Compare(const std::vector<Pair>& pairs) {
  std::vector<double> references, values, ratios;
  for (const Pair& pair : pairs) {
    // A clock that did not move says nothing about a ratio.
    if (pair.reference_s <= 0) continue;
    references.push_back(pair.reference_s);
    values.push_back(pair.value_s);
    ratios.push_back(pair.value_s / pair.reference_s);
  }
  if (ratios.empty()) return {};
  const auto [min, max] = std::minmax_element(ratios.begin(), ratios.end());
  return {.of_medians = Median(values) / Median(references),
          .min = *min,
          .max = *max};
}

}  // namespace warmfs::bench
