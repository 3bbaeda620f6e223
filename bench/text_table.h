// Text in aligned columns. A value.

#ifndef WARMFS_BENCH_TEXT_TABLE_H_
#define WARMFS_BENCH_TEXT_TABLE_H_

#include <string>
#include <vector>

namespace warmfs::bench {

// Three digits that count and a unit: "812 us", "3.14 ms", "12.0 s".
std::string FormatTime(double seconds);
// "0.98x", "3.1x", "125x".
std::string FormatRatio(double ratio);
// "1,234,567".
std::string FormatCount(double count);

class TextTable {
 public:
  enum class Align { kLeft, kRight };
  struct Column {
    std::string title;
    Align align;
  };

  explicit TextTable(std::vector<Column> columns)
      : columns_(std::move(columns)) {}

  // Cells that are missing at the end are empty.
  void Add(std::vector<std::string> cells) {
    rows_.push_back(std::move(cells));
  }
  // An empty line.
  void AddGap() { rows_.emplace_back(); }

  std::string Format() const;

 private:
  const std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace warmfs::bench

#endif  // WARMFS_BENCH_TEXT_TABLE_H_
