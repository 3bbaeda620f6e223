#include "cli/mount_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>
#include <functional>
#include <map>
#include <sstream>

#include "cli/common.h"
#include "hostd/token.h"

namespace warmfs::cli {
namespace {

using fuse::MountOptions;
using Setter =
    std::function<absl::Status(const std::string& value, MountOptions&)>;

template <typename T>
absl::Status ParseNumber(const std::string& text, T low, T high, T& out) {
  T value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end || value < low || value > high) {
    return absl::InvalidArgumentError(
        fmt::format("'{}' is not a number from {} to {}", text, low, high));
  }
  out = value;
  return absl::OkStatus();
}

absl::Status SetDuration(const std::string& text, absl::Duration& out) {
  auto seconds = ParseSeconds(text);
  if (seconds.ok()) out = absl::Seconds(*seconds);
  return seconds.status();
}

absl::Status SetToken(const std::string& path, MountOptions& o) {
  std::ifstream in(path);
  if (!in || !std::getline(in, o.remote.token)) {
    return absl::NotFoundError(
        fmt::format("token_file={}: cannot read it", path));
  }
  o.remote.token.resize(hostd::TokenOf(o.remote.token).size());
  return absl::OkStatus();
}

absl::Status SetLocks(const std::string& value, MountOptions& o) {
  if (value != "host" && value != "vm") {
    return absl::InvalidArgumentError(
        fmt::format("locks={}: write locks=vm or locks=host", value));
  }
  o.host_locks = value == "host";
  return absl::OkStatus();
}

absl::Status SetCacheSize(const std::string& value, MountOptions& o) {
  auto size = ParseSize(value);
  if (size.ok()) o.cache_bytes = *size;
  return size.status();
}

absl::Status SetFreshness(const std::string& value, MountOptions& o) {
  if (value != "lease" && value != "check") {
    return absl::InvalidArgumentError(
        fmt::format("freshness={}: give lease or check", value));
  }
  o.leases = value == "lease";
  return absl::OkStatus();
}

// Options with a value.
const std::map<std::string, Setter>& Setters() {
  static const auto* setters = new std::map<std::string, Setter>{
      {"export",
       [](const std::string& v, MountOptions& o) {
         o.remote.export_name = v;
         return absl::OkStatus();
       }},
      {"cache",
       [](const std::string& v, MountOptions& o) {
         o.cache_directory = AbsolutePath(v);
         return absl::OkStatus();
       }},
      {"cache_size", SetCacheSize},
      {"ttl", [](const std::string& v,
                 MountOptions& o) { return SetDuration(v, o.ttl); }},
      {"host_wait",
       [](const std::string& v, MountOptions& o) {
         return SetDuration(v, o.remote.host_wait);
       }},
      {"token_file", SetToken},
      {"locks", SetLocks},
      {"freshness", SetFreshness},
      {"uid",
       [](const std::string& v, MountOptions& o) {
         return ParseNumber<uint32_t>(v, 0, UINT32_MAX - 1, o.uid);
       }},
      {"gid",
       [](const std::string& v, MountOptions& o) {
         return ParseNumber<uint32_t>(v, 0, UINT32_MAX - 1, o.gid);
       }},
      {"workers",
       [](const std::string& v, MountOptions& o) {
         return ParseNumber<int>(v, 1, 64, o.workers);
       }},
  };
  return *setters;
}

bool IsOfEveryFileSystem(const std::string& name) {
  static constexpr std::array kNames = {
      "rw",      "dev",      "nodev",    "suid",       "nosuid",   "exec",
      "noexec",  "auto",     "noauto",   "user",       "users",    "nouser",
      "owner",   "group",    "_netdev",  "nofail",     "defaults", "atime",
      "noatime", "relatime", "diratime", "nodiratime", "async",    "comment"};
  if (name.starts_with("x-")) return true;
  return std::find(kNames.begin(), kNames.end(), name) != kNames.end();
}

absl::Status ParseOne(const std::string& option, MountOptions& options) {
  const size_t equals = option.find('=');
  const std::string name = option.substr(0, equals);
  const bool has_value = equals != std::string::npos;
  auto setter = Setters().find(name);
  if (setter != Setters().end()) {
    if (!has_value) {
      return absl::InvalidArgumentError(
          fmt::format("option '{}' needs a value: {}=...", name, name));
    }
    return setter->second(option.substr(equals + 1), options);
  }
  if (name == "ro") {
    options.read_only = true;
  } else if (name == "allow_other") {
    options.allow_other = true;
  } else if (!IsOfEveryFileSystem(name)) {
    return absl::InvalidArgumentError(
        fmt::format("unknown option '{}'; see warmfs mount --help", name));
  }
  return absl::OkStatus();
}

}  // namespace

const char kMountOptionsHelp[] = R"(Options for -o, separated by commas:
  export=NAME      which of the host's exports (default: default)
  cache=DIR        where the cache is (default: one for each source under
                   $XDG_CACHE_HOME/warmfs)
  cache_size=SIZE  how much content it holds at most (default: 10G)
  freshness=lease|check
                   whether the host tells of changes at once (a lease), or is
                   asked again after the ttl; without a lease, where the host
                   cannot watch, it is asked (default: lease)
  ttl=TIME         how long what the host said is believed without a lease
                   (default: 1s)
  host_wait=TIME   how long calls wait for a host that is away (default: 30s)
  token_file=FILE  the token for vsock: and tcp: endpoints
  locks=vm|host    whether flock and fcntl locks hold in this kernel, or on
                   the host too (default: vm)
  uid=N, gid=N     whom the host's user is seen as (default: you)
  workers=N        how many requests are served at once (default: 8)
  allow_other      let other users in (see /etc/fuse.conf)
  ro               read only
Options that mount(8) gives to every file system are accepted.)";

absl::Status ParseMountOptions(const std::vector<std::string>& given,
                               MountOptions& options) {
  for (const std::string& list : given) {
    std::istringstream in(list);
    for (std::string option; std::getline(in, option, ',');) {
      if (option.empty()) continue;
      absl::Status status = ParseOne(option, options);
      if (!status.ok()) return status;
    }
  }
  return absl::OkStatus();
}

}  // namespace warmfs::cli
