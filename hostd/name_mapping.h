// Names of Linux as names that Windows can have, and back.
//
// On Windows a name is UTF-16 and may not hold < > : " | ? * \ or control
// characters, may not end in a dot or a space, and may not be the name of a
// device (CON, NUL, COM1.txt ...). On Linux it is any bytes but NUL and '/'.
//
// The mapping is reversible. A character that Windows refuses becomes the
// private-use character U+F000 + c, as Cygwin and WSL have it; of a device's
// name the third character does, of a dot or space at the end the last one.
// Bytes that are no UTF-8 become U+F100 + byte. So that the way back is
// certain, private-use characters of these two ranges that a name holds itself
// are mapped too, byte by byte as if they were no UTF-8. Unpaired surrogates,
// which only Windows can have, are shown as their three bytes (WTF-8), and
// those bytes become the surrogate again.
//
// Portable; Windows' own letters are char16_t here. Stateless, thread-safe.

#ifndef WARMFS_HOSTD_NAME_MAPPING_H_
#define WARMFS_HOSTD_NAME_MAPPING_H_

#include <optional>
#include <string>
#include <string_view>

namespace warmfs::hostd {

// Windows' limit for one name, in UTF-16 units.
inline constexpr size_t kMaxWindowsNameUnits = 255;

// Nothing if it would be too long. `name` has passed CheckName.
std::optional<std::u16string> ToWindowsName(std::string_view name);

// Of any name that Windows has: what the client sees. A name that no client
// could ask for is answered by nothing: one whose bytes map to another name, or
// are more than kMaxNameBytes.
std::optional<std::string> FromWindowsName(std::u16string_view name);

}  // namespace warmfs::hostd

#endif  // WARMFS_HOSTD_NAME_MAPPING_H_
