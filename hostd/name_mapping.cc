#include "hostd/name_mapping.h"

#include <cstdint>

#include "schema/types.h"

namespace warmfs::hostd {
namespace {

constexpr char16_t kMapped = 0xF000;   // + a character that Windows refuses
constexpr char16_t kRawByte = 0xF100;  // + a byte that is no UTF-8
constexpr char16_t kMappedEnd = 0xF200;
constexpr std::string_view kRefused = "<>:\"|?*\\";

bool IsRefused(uint32_t c) {
  return c < 0x20 ||
         (c < 0x80 && kRefused.find(static_cast<char>(c)) != kRefused.npos);
}
bool IsHigh(char16_t c) { return c >= 0xD800 && c < 0xDC00; }
bool IsLow(char16_t c) { return c >= 0xDC00 && c < 0xE000; }
bool IsOurs(uint32_t c) { return c >= kMapped && c < kMappedEnd; }

// The character at the start and how many bytes it has; none if these bytes are
// no UTF-8. Surrogates are taken (WTF-8).
struct Decoded {
  uint32_t c;
  size_t bytes;
};
std::optional<Decoded> Decode(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t first = byte(0);
  if (first < 0x80) return Decoded{first, 1};
  const size_t bytes = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || text.size() < bytes) return std::nullopt;
  uint32_t c = first & (0x7F >> bytes);
  for (size_t i = 1; i < bytes; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return std::nullopt;
    c = c << 6 | (byte(i) & 0x3F);
  }
  constexpr uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  if (c < kLeast[bytes] || c > 0x10FFFF) return std::nullopt;
  return Decoded{c, bytes};
}

void Encode(uint32_t c, std::string* out) {
  const auto tail = [&](int shift) {
    out->push_back(static_cast<char>(0x80 | (c >> shift & 0x3F)));
  };
  if (c < 0x80) {
    out->push_back(static_cast<char>(c));
  } else if (c < 0x800) {
    out->push_back(static_cast<char>(0xC0 | c >> 6));
    tail(0);
  } else if (c < 0x10000) {
    out->push_back(static_cast<char>(0xE0 | c >> 12));
    tail(6);
    tail(0);
  } else {
    out->push_back(static_cast<char>(0xF0 | c >> 18));
    tail(12);
    tail(6);
    tail(0);
  }
}

void AppendUtf16(uint32_t c, std::u16string* out) {
  if (c < 0x10000) {
    out->push_back(static_cast<char16_t>(c));
    return;
  }
  c -= 0x10000;
  out->push_back(static_cast<char16_t>(0xD800 | c >> 10));
  out->push_back(static_cast<char16_t>(0xDC00 | (c & 0x3FF)));
}

void AppendRaw(std::string_view bytes, std::u16string* out) {
  for (const char b : bytes) out->push_back(kRawByte | static_cast<uint8_t>(b));
}

char16_t Upper(char16_t c) { return c >= 'a' && c <= 'z' ? c - 32 : c; }

bool StartsWith(std::u16string_view name, std::u16string_view upper) {
  if (name.size() < upper.size()) return false;
  for (size_t i = 0; i < upper.size(); ++i) {
    if (Upper(name[i]) != upper[i]) return false;
  }
  return true;
}

// The superscripts 1, 2 and 3 count as digits there.
bool IsPortDigit(char16_t c) {
  return (c >= '0' && c <= '9') || c == 0xB9 || c == 0xB2 || c == 0xB3;
}

// CON, PRN, AUX, NUL, COM1, LPT1: with any extension, and with spaces before
// it.
bool IsDevice(std::u16string_view name) {
  size_t length = 0;
  for (const auto device : {u"CON", u"PRN", u"AUX", u"NUL"}) {
    if (StartsWith(name, device)) length = 3;
  }
  for (const auto port : {u"COM", u"LPT"}) {
    const bool numbered = name.size() > 3 && IsPortDigit(name[3]);
    if (StartsWith(name, port) && numbered) length = 4;
  }
  for (const auto console : {u"CONIN$", u"CONOUT$"}) {
    if (StartsWith(name, console)) {
      length = std::u16string_view(console).size();
    }
  }
  if (length == 0) return false;
  const size_t next = name.find_first_not_of(u' ', length);
  return next == name.npos || name[next] == u'.';
}

// One unit of a Windows name that stands for something else: its byte.
std::optional<char> Unmapped(char16_t c) {
  if (!IsOurs(c)) return std::nullopt;
  return static_cast<char>(c & 0xFF);
}

}  // namespace

std::optional<std::u16string> ToWindowsName(std::string_view name) {
  std::u16string out;
  while (!name.empty()) {
    const auto decoded = Decode(name);
    const size_t bytes = decoded ? decoded->bytes : 1;
    // Two halves that stand apart in the name would be one character there.
    const bool joins = decoded && !out.empty() && IsHigh(out.back()) &&
                       decoded->c < 0x10000 &&
                       IsLow(static_cast<char16_t>(decoded->c));
    if (!decoded || joins || IsOurs(decoded->c)) {
      AppendRaw(name.substr(0, bytes), &out);
    } else if (IsRefused(decoded->c)) {
      out.push_back(static_cast<char16_t>(kMapped | decoded->c));
    } else {
      AppendUtf16(decoded->c, &out);
    }
    name.remove_prefix(bytes);
  }
  if (IsDevice(out)) out[2] = kMapped | out[2];
  if (!out.empty() && (out.back() == u'.' || out.back() == u' ')) {
    out.back() = kMapped | out.back();
  }
  if (out.size() > kMaxWindowsNameUnits) return std::nullopt;
  return out;
}

std::optional<std::string> FromWindowsName(std::u16string_view name) {
  std::string out;
  for (size_t i = 0; i < name.size(); ++i) {
    const char16_t c = name[i];
    if (const auto byte = Unmapped(c)) {
      out.push_back(*byte);
    } else if (IsHigh(c) && i + 1 < name.size() && IsLow(name[i + 1])) {
      Encode(0x10000 + ((c & 0x3FFu) << 10) + (name[++i] & 0x3FFu), &out);
    } else {
      Encode(c, &out);
    }
  }
  if (out.empty() || out.size() > kMaxNameBytes) return std::nullopt;
  if (out.find('/') != out.npos || out.find('\0') != out.npos) {
    return std::nullopt;
  }
  if (out == "." || out == "..") return std::nullopt;
  // Somebody else's private-use characters may say the same in another way.
  const auto back = ToWindowsName(out);
  if (!back || *back != name) return std::nullopt;
  return out;
}

}  // namespace warmfs::hostd
