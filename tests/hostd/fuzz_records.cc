// What the system hands to hostd, and names: any bytes do no harm, and what is
// read of them keeps its promises. Run by scripts/fuzz.

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

#include "hostd/name_mapping.h"
#include "hostd/notify_record.h"
#include "hostd/posix/fanotify_record.h"
#include "hostd/usn_record.h"

namespace warmfs::hostd {
namespace {

void Expect(bool is_so) {
  if (!is_so) std::abort();
}

void Usn(std::string_view bytes) {
  constexpr int64_t kFrom = 4096;
  const auto batch = ParseUsnBatch(bytes, kFrom);
  if (!batch) return;
  int64_t last = kFrom - 1;
  for (const UsnRecord& record : batch->records) {
    Expect(record.usn > last && record.usn < batch->next);
    last = record.usn;
  }
  Expect(batch->next >= kFrom);
}

void Notify(bool extended, std::string_view bytes) {
  NotifyRecord record;
  for (size_t left = bytes.size();
       TakeNotifyRecord(extended, &bytes, &record);) {
    Expect(bytes.size() < left);
    left = bytes.size();
  }
  Expect(bytes.empty());
}

void Fanotify(std::string_view bytes) {
  FanotifyRecord record;
  for (size_t left = bytes.size(); TakeFanotifyRecord(&bytes, &record);) {
    Expect(bytes.size() < left);
    left = bytes.size();
  }
}

void Name(std::string_view bytes) {
  std::u16string windows(bytes.size() / 2, u'\0');
  std::memcpy(windows.data(), bytes.data(), windows.size() * 2);
  if (const auto name = FromWindowsName(windows)) {
    Expect(ToWindowsName(*name) == windows);
  }
}

}  // namespace
}  // namespace warmfs::hostd

// The first byte says which.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace warmfs::hostd;
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1,
                               size - 1);
  switch (data[0] % 5) {
    case 0:
      Usn(bytes);
      break;
    case 1:
      Notify(/*extended=*/false, bytes);
      break;
    case 2:
      Notify(/*extended=*/true, bytes);
      break;
    case 3:
      Fanotify(bytes);
      break;
    case 4:
      Name(bytes);
      break;
  }
  return 0;
}
