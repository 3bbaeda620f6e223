// `warmfs-hostd selftest [DIR]`: tries on this machine what hostd makes use of,
// in a folder beneath DIR that it makes and removes, and prints a table: what
// was tried, whether it works, and what follows for warmfs.
//
// Used by main, alone.

#ifndef WARMFS_HOSTD_WIN32_SELFTEST_H_
#define WARMFS_HOSTD_WIN32_SELFTEST_H_

#include <winsock2.h>
// After it.
#include <windows.h>

#include <string>
#include <vector>

#include "hostd/win32/handle.h"

namespace warmfs::hostd {

struct Finding {
  std::string item;
  std::string result;  // "yes", "no (why)" or "differs: what"
  std::string follows;
  bool missing = false;  // hostd does not work without it
};

std::string No(DWORD error);
inline Finding Works(std::string item, std::string follows) {
  return {std::move(item), "yes", std::move(follows)};
}

// The families. `dir`: the folder, as \\?\ has it.
void TryNames(const std::wstring& dir, std::vector<Finding>* out);
void TryContent(const std::wstring& dir, std::vector<Finding>* out);
void TryChanges(const std::wstring& dir, std::vector<Finding>* out);
void TryEndpoints(std::vector<Finding>* out);

// A new file, of which `access` is asked; with the right to delete.
UniqueFd MakeFile(const std::wstring& path,
                  ACCESS_MASK access = GENERIC_READ | GENERIC_WRITE);

// The exit code: 0 if hostd has what it needs here.
int Selftest(const std::string& dir);

}  // namespace warmfs::hostd

#endif  // WARMFS_HOSTD_WIN32_SELFTEST_H_
