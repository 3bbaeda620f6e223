#include "tests/integration/watcher.h"

#include <dirent.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/inotify.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

namespace warmfs::testing {
namespace {

namespace fs = std::filesystem;

struct MaskName {
  uint32_t bit;
  const char* name;
};
constexpr MaskName kMaskNames[] = {
    {IN_ACCESS, "ACCESS"},           {IN_MODIFY, "MODIFY"},
    {IN_ATTRIB, "ATTRIB"},           {IN_CLOSE_WRITE, "CLOSE_WRITE"},
    {IN_CLOSE_NOWRITE, "CLOSE"},     {IN_OPEN, "OPEN"},
    {IN_MOVED_FROM, "MOVED_FROM"},   {IN_MOVED_TO, "MOVED_TO"},
    {IN_CREATE, "CREATE"},           {IN_DELETE, "DELETE"},
    {IN_DELETE_SELF, "DELETE_SELF"}, {IN_MOVE_SELF, "MOVE_SELF"},
    {IN_UNMOUNT, "UNMOUNT"},         {IN_Q_OVERFLOW, "OVERFLOW"},
    {IN_IGNORED, "IGNORED"},         {IN_ISDIR, "ISDIR"},
};

constexpr uint32_t kLeftOut = IN_OPEN | IN_ACCESS | IN_CLOSE_NOWRITE;

}  // namespace

std::string ToString(const Noticed& event) {
  std::string out;
  for (const auto& [bit, name] : kMaskNames) {
    if ((event.mask & bit) == 0) continue;
    out += (out.empty() ? "" : ",") + std::string(name);
  }
  if (event.cookie != 0) out += " #" + std::to_string(event.cookie);
  return event.name.empty() ? out : out + " " + event.name;
}

std::string ToString(const Recording& recording) {
  std::string out;
  for (const auto& [label, events] : recording) {
    for (const Noticed& event : events) {
      out += (label.empty() ? "." : label) + ": " + ToString(event) + "\n";
    }
  }
  return out;
}

Recording Normalised(const Recording& recording) {
  Recording out;
  std::map<uint32_t, uint32_t> cookies;
  for (const auto& [label, events] : recording) {
    for (Noticed event : events) {
      if ((event.mask & kLeftOut) != 0) continue;
      if (event.cookie != 0) {
        event.cookie =
            cookies.emplace(event.cookie, cookies.size() + 1).first->second;
      }
      auto& list = out[label];
      if (list.empty() || list.back() != event) list.push_back(event);
    }
  }
  return out;
}

Watcher::Watcher(const std::string& root)
    : root_(root), fd_(inotify_init1(IN_CLOEXEC | IN_NONBLOCK)) {
  WatchTree("");
}

void Watcher::Add(const std::string& path, const std::string& label) {
  const std::string full = path.empty() ? root_ : root_ + "/" + path;
  const int watch = inotify_add_watch(fd_.get(), full.c_str(),
                                      IN_ALL_EVENTS | IN_DONT_FOLLOW);
  // It may be gone again by the time that we hear of it.
  if (watch >= 0) labels_[watch] = label;
}

void Watcher::WatchItself(const std::string& path) { Add(path, "=" + path); }

void Watcher::WatchTree(const std::string& path) {
  Add(path, path);
  std::vector<std::string> beneath;
  const std::string full = path.empty() ? root_ : root_ + "/" + path;
  DIR* dir = opendir(full.c_str());
  if (dir == nullptr) return;
  while (const dirent* entry = readdir(dir)) {
    const std::string name = entry->d_name;
    if (entry->d_type == DT_DIR && name != "." && name != "..") {
      beneath.push_back(path.empty() ? name : path + "/" + name);
    }
  }
  closedir(dir);
  for (const std::string& name : beneath) WatchTree(name);
}

void Watcher::Note(const Noticed& event, int watch) {
  const auto label = labels_.find(watch);
  if (label == labels_.end()) return;
  recording_[label->second].push_back(event);
  constexpr uint32_t kNewDir = IN_CREATE | IN_ISDIR;
  if ((event.mask & kNewDir) == kNewDir) {
    const std::string& above = label->second;
    WatchTree(above.empty() ? event.name : above + "/" + event.name);
  }
  if ((event.mask & IN_IGNORED) != 0) labels_.erase(watch);
}

void Watcher::Drain() {
  alignas(inotify_event) char buffer[64 * 1024];
  ssize_t n;
  while ((n = read(fd_.get(), buffer, sizeof(buffer))) > 0) {
    for (char* at = buffer; at < buffer + n;) {
      const auto* event = reinterpret_cast<inotify_event*>(at);
      at += sizeof(inotify_event) + event->len;
      EXPECT_EQ(event->mask & IN_Q_OVERFLOW, 0u) << "the queue overflowed";
      Note({event->mask, event->cookie, event->len == 0 ? "" : event->name},
           event->wd);
    }
  }
}

bool Watcher::AwaitEvent(uint32_t mask, const std::string& name) {
  for (int waited_ms = 0; waited_ms < 10'000; waited_ms += 100) {
    Drain();
    for (const auto& [label, events] : recording_) {
      for (const Noticed& event : events) {
        if ((event.mask & mask) != 0 && event.name == name) return true;
      }
    }
    pollfd ready = {fd_.get(), POLLIN, 0};
    poll(&ready, 1, 100);
  }
  return false;
}

Recording Watcher::Take() {
  Drain();
  return std::exchange(recording_, {});
}

Recording Watcher::TakeNormalised() { return Normalised(Take()); }

}  // namespace warmfs::testing
