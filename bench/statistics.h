// The figures that a benchmark is judged by. Pure functions.

#ifndef WARMFS_BENCH_STATISTICS_H_
#define WARMFS_BENCH_STATISTICS_H_

#include <vector>

namespace warmfs::bench {

// The mean of the two in the middle if their number is even; 0 for none.
double Median(std::vector<double> values);

// The least of the values that this share of them does not exceed; 0 for none.
double Percentile(std::vector<double> values, double share);

// Two times that were measured one right after the other.
struct Pair {
  double reference_s = 0;
  double value_s = 0;
};

// How many times the reference it took. The extremes are of single pairs, so
// they show what the machine's own noise was; 0 throughout if nothing was
// measured.
struct Ratio {
  double of_medians = 0;
  double min = 0;
  double max = 0;
};
Ratio Compare(const std::vector<Pair>& pairs);

}  // namespace warmfs::bench

#endif  // WARMFS_BENCH_STATISTICS_H_
