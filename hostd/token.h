// The secret that clients show where the transport does not tell who they are:
// one line of a file, on either side. White space at its end is no part of it:
// `echo TOKEN > FILE` of Windows' cmd writes a space and a carriage return
// behind it, and a file may be copied from there. Who reads the file takes it
// off (TokenOf); what is sent is compared as it is.
//
// Thread-safe.

#ifndef WARMFS_HOSTD_TOKEN_H_
#define WARMFS_HOSTD_TOKEN_H_

#include <string_view>

namespace warmfs::hostd {

inline std::string_view TokenOf(std::string_view line) {
  const size_t last = line.find_last_not_of(" \t\r\n");
  return line.substr(0, last == line.npos ? 0 : last + 1);
}

// What PowerShell writes if it is not told otherwise is none: UTF-16, or UTF-8
// behind a mark.
inline bool IsPlainText(std::string_view line) {
  for (const char c : line) {
    if (static_cast<unsigned char>(c) < 0x20 && c != '\t' && c != '\r') {
      return false;
    }
  }
  return !line.starts_with("\xEF\xBB\xBF");
}

// Takes as long for a wrong token as for a right one.
inline bool TokensEqual(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  unsigned char difference = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    difference |= static_cast<unsigned char>(a[i] ^ b[i]);
  }
  return difference == 0;
}

}  // namespace warmfs::hostd

#endif  // WARMFS_HOSTD_TOKEN_H_
