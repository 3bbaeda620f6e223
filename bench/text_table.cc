#include "bench/text_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace warmfs::bench {
namespace {

constexpr size_t kGap = 2;

std::string ThreeDigits(double value) {
  return value < 9.995   ? fmt::format("{:.2f}", value)
         : value < 99.95 ? fmt::format("{:.1f}", value)
                         : fmt::format("{:.0f}", value);
}

void AppendRow(const std::vector<std::string>& cells,
               const std::vector<TextTable::Column>& columns,
               const std::vector<size_t>& widths, std::string& text) {
  std::string line;
  for (size_t i = 0; i < cells.size(); ++i) {
    const bool left = columns[i].align == TextTable::Align::kLeft;
    line += left ? fmt::format("{:<{}}", cells[i], widths[i])
                 : fmt::format("{:>{}}", cells[i], widths[i]);
    line.append(kGap, ' ');
  }
  line.resize(line.find_last_not_of(' ') + 1);
  text += line + "\n";
}

}  // namespace

std::string FormatTime(double seconds) {
  struct Unit {
    const char* name;
    double seconds;
  };
  static constexpr std::array<Unit, 4> kUnits = {
      {{"s", 1}, {"ms", 1e-3}, {"us", 1e-6}, {"ns", 1e-9}}};
  for (const Unit& unit : kUnits) {
    // What would be rounded up to 1 of a unit is one.
    if (seconds / unit.seconds >= 0.9995) {
      return fmt::format("{} {}", ThreeDigits(seconds / unit.seconds),
                         unit.name);
    }
  }
  return "0 s";
}

std::string FormatRatio(double ratio) { return ThreeDigits(ratio) + "x"; }

std::string FormatCount(double count) {
  const std::string digits = fmt::format("{:.0f}", std::round(count));
  std::string text;
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) text += ',';
    text += digits[i];
  }
  return text;
}

std::string TextTable::Format() const {
  std::vector<std::string> titles;
  std::vector<size_t> widths;
  for (const Column& column : columns_) {
    titles.push_back(column.title);
    widths.push_back(column.title.size());
  }
  for (const auto& row : rows_) {
    for (size_t i = 0; i < row.size(); ++i) {
      widths[i] = std::max(widths[i], row[i].size());
    }
  }
  std::string text;
  AppendRow(titles, columns_, widths, text);
  for (const auto& row : rows_) AppendRow(row, columns_, widths, text);
  return text;
}

}  // namespace warmfs::bench
