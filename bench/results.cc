#include "bench/results.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

namespace warmfs::bench {
namespace {

using nlohmann::json;

template <typename T>
const char* NameIn(const std::vector<std::pair<T, Named>>& table, T key) {
  for (const auto& [value, named] : table) {
    if (value == key) return named.name;
  }
  std::abort();  // every value is in its table
}

std::map<std::string, uint64_t> Difference(
    const std::map<std::string, uint64_t>& after,
    const std::map<std::string, uint64_t>& before) {
  std::map<std::string, uint64_t> result;
  for (const auto& [name, count] : after) {
    const auto found = before.find(name);
    const uint64_t old = found == before.end() ? 0 : found->second;
    if (count > old) result[name] = count - old;
  }
  return result;
}

Counts FromStatus(const json& one) {
  Counts counts;
  counts.requests = one.at("requests").at("total").get<uint64_t>();
  counts.rpcs = one.at("rpc").at("calls").get<uint64_t>();
  for (const auto& [kind, count] : one["requests"].at("by_kind").items()) {
    counts.requests_by_kind[kind] = count.get<uint64_t>();
  }
  for (const auto& [method, numbers] : one["rpc"].at("methods").items()) {
    counts.rpcs_by_method[method] = numbers.at("calls").get<uint64_t>();
  }
  return counts;
}

std::optional<double> MedianCount(const std::vector<Sample>& samples,
                                  uint64_t Counts::*field) {
  std::vector<double> values;
  for (const Sample& sample : samples) {
    if (sample.counts) values.push_back(double((*sample.counts).*field));
  }
  if (values.empty()) return std::nullopt;
  return Median(values);
}

}  // namespace

const std::vector<std::pair<Op, Named>>& Ops() {
  static const auto* ops = new std::vector<std::pair<Op, Named>>{
      {Op::kWalk, {"walk", "list every directory"}},
      {Op::kStat, {"stat", "lstat everything"}},
      {Op::kRead, {"read", "open, read and close every file"}},
      {Op::kSequential, {"sequential", "read one large file"}},
      {Op::kRandom, {"random", "4 KiB reads all over a large file"}},
      {Op::kCreate, {"create", "create small files"}},
      {Op::kDelete, {"delete", "delete small files"}},
      {Op::kGitStatus, {"git-status", "git status"}},
      {Op::kEdit, {"edit", "edit on the host, and wait until it is seen"}},
  };
  return *ops;
}

const std::vector<std::pair<State, Named>>& States() {
  static const auto* states = new std::vector<std::pair<State, Named>>{
      {State::kDropped,
       {"dropped",
        "native, after the kernel's caches were "
        "dropped"}},
      {State::kCold, {"cold", "a new cache, a new mount"}},
      {State::kRemounted, {"remounted", "the cache kept, a new mount"}},
      {State::kWarm, {"kernel-warm", "the same once more"}},
  };
  return *states;
}

const char* Name(Op op) { return NameIn(Ops(), op); }
const char* Name(State state) { return NameIn(States(), state); }

absl::StatusOr<Counts> ParseCounts(const json& status,
                                   const std::string& mountpoint) {
  try {
    for (const json& one : status) {
      if (one.at("mountpoint") == mountpoint) return FromStatus(one);
    }
  } catch (const json::exception& e) {
    return absl::InternalError(
        fmt::format("warmfs status --json is not as expected: {}", e.what()));
  }
  return absl::NotFoundError(
      fmt::format("warmfs status knows no mount at {}", mountpoint));
}

Counts operator-(const Counts& after, const Counts& before) {
  return {.requests = after.requests - before.requests,
          .rpcs = after.rpcs - before.rpcs,
          .requests_by_kind =
              Difference(after.requests_by_kind, before.requests_by_kind),
          .rpcs_by_method =
              Difference(after.rpcs_by_method, before.rpcs_by_method)};
}

double Series::MedianSeconds() const {
  std::vector<double> values;
  for (const Sample& sample : samples) values.push_back(sample.seconds);
  return Median(values);
}

Ratio Series::ToNative() const {
  std::vector<Pair> pairs;
  for (const Sample& sample : samples) {
    pairs.push_back({sample.native_seconds, sample.seconds});
  }
  return Compare(pairs);
}

std::optional<double> Series::MedianRequests() const {
  return MedianCount(samples, &Counts::requests);
}

std::optional<double> Series::MedianRpcs() const {
  return MedianCount(samples, &Counts::rpcs);
}

std::map<std::string, uint64_t> Series::TypicalMethods() const {
  std::vector<const Counts*> counted;
  for (const Sample& sample : samples) {
    if (sample.counts) counted.push_back(&*sample.counts);
  }
  if (counted.empty()) return {};
  std::sort(counted.begin(), counted.end(),
            [](const Counts* a, const Counts* b) { return a->rpcs < b->rpcs; });
  return counted[counted.size() / 2]->rpcs_by_method;
}

Series& Results::Of(Op op, const std::string& system, State state) {
  for (Series& one : series) {
    if (one.op == op && one.system == system && one.state == state) return one;
  }
  return series.emplace_back(
      Series{.op = op, .system = system, .state = state});
}

double Results::NativeSeconds(Op op) const {
  std::vector<double> values;
  for (const Series& one : series) {
    if (one.op != op) continue;
    for (const Sample& sample : one.samples) {
      values.push_back(sample.native_seconds);
    }
  }
  return Median(values);
}

}  // namespace warmfs::bench
