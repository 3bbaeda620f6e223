// Linux's numbers that travel between client and host, whatever system the host
// is of: errnos, the types of files, flags of requests. The same names stand
// for other numbers elsewhere (EOPNOTSUPP is 130 on Windows), or for none.
//
// Named as in Linux's headers, with a k in front. Plain constants.

#ifndef WARMFS_SCHEMA_LINUX_ABI_H_
#define WARMFS_SCHEMA_LINUX_ABI_H_

#include <cstdint>

namespace warmfs {

// --- errno(3) ---
inline constexpr int kEPERM = 1;
inline constexpr int kENOENT = 2;
inline constexpr int kEINTR = 4;
inline constexpr int kEIO = 5;
inline constexpr int kENXIO = 6;
inline constexpr int kE2BIG = 7;
inline constexpr int kEAGAIN = 11;
inline constexpr int kENOMEM = 12;
inline constexpr int kEACCES = 13;
inline constexpr int kEBUSY = 16;
inline constexpr int kEEXIST = 17;
inline constexpr int kEXDEV = 18;
inline constexpr int kENODEV = 19;
inline constexpr int kENOTDIR = 20;
inline constexpr int kEISDIR = 21;
inline constexpr int kEINVAL = 22;
inline constexpr int kENFILE = 23;
inline constexpr int kEFBIG = 27;
inline constexpr int kENOSPC = 28;
inline constexpr int kEROFS = 30;
inline constexpr int kEMLINK = 31;
inline constexpr int kERANGE = 34;
inline constexpr int kENAMETOOLONG = 36;
inline constexpr int kENOLCK = 37;
inline constexpr int kENOTEMPTY = 39;
inline constexpr int kELOOP = 40;
inline constexpr int kENODATA = 61;
inline constexpr int kEILSEQ = 84;
inline constexpr int kEOPNOTSUPP = 95;
inline constexpr int kESHUTDOWN = 108;
inline constexpr int kETIMEDOUT = 110;
inline constexpr int kESTALE = 116;

// --- mode, inode(7) ---
inline constexpr uint32_t kS_IFMT = 0170000;
inline constexpr uint32_t kS_IFSOCK = 0140000;
inline constexpr uint32_t kS_IFLNK = 0120000;
inline constexpr uint32_t kS_IFREG = 0100000;
inline constexpr uint32_t kS_IFBLK = 0060000;
inline constexpr uint32_t kS_IFDIR = 0040000;
inline constexpr uint32_t kS_IFCHR = 0020000;
inline constexpr uint32_t kS_IFIFO = 0010000;
inline constexpr uint32_t kS_ISUID = 04000;
inline constexpr uint32_t kS_ISGID = 02000;

// --- fallocate(2), setxattr(2), renameat2(2) ---
inline constexpr int kFALLOC_FL_KEEP_SIZE = 1;
inline constexpr int kFALLOC_FL_PUNCH_HOLE = 2;
inline constexpr int kFALLOC_FL_ZERO_RANGE = 16;
inline constexpr int kXATTR_CREATE = 1;
inline constexpr int kXATTR_REPLACE = 2;
inline constexpr uint32_t kRENAME_NOREPLACE = 1;
inline constexpr uint32_t kRENAME_EXCHANGE = 2;

// The longest target of a symbolic link, its NUL included (PATH_MAX).
inline constexpr uint32_t kPATH_MAX = 4096;

}  // namespace warmfs

#endif  // WARMFS_SCHEMA_LINUX_ABI_H_
