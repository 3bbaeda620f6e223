#include "hostd/bookmark.h"

#include <xxhash.h>

#include <sstream>

#include "absl/strings/str_cat.h"

namespace warmfs::hostd {
namespace {

constexpr char kFirstLine[] = "warmfs journal 1";

std::string Body(const Bookmark& bookmark) {
  return absl::StrCat(kFirstLine, "\n", bookmark.pos.journal_id, "\n",
                      bookmark.pos.sequence, "\n", bookmark.cursor, "\n");
}

}  // namespace

std::string EncodeBookmark(const Bookmark& bookmark) {
  const std::string body = Body(bookmark);
  return absl::StrCat(body, XXH3_64bits(body.data(), body.size()), "\n");
}

std::optional<Bookmark> DecodeBookmark(std::string_view text) {
  std::istringstream in{std::string(text)};
  Bookmark bookmark;
  std::string line;
  std::getline(in, line);
  in >> bookmark.pos.journal_id >> bookmark.pos.sequence;
  std::getline(in, line);
  std::getline(in, bookmark.cursor);
  if (EncodeBookmark(bookmark) != text) return std::nullopt;
  return bookmark;
}

}  // namespace warmfs::hostd
