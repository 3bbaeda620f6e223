// What the kernel lets this process do to objects of others. Asked once, when
// an export is opened.

#ifndef WARMFS_HOSTD_PRIVILEGES_H_
#define WARMFS_HOSTD_PRIVILEGES_H_

namespace warmfs::hostd {

struct Privileges {
  // May give objects any owner and any mode (CAP_CHOWN and CAP_FOWNER, over
  // all of the host's ids and not just those of a user namespace).
  bool owns_all = false;
  // Opens files whatever their mode is (CAP_DAC_OVERRIDE).
  bool opens_all = false;
};

Privileges CurrentPrivileges();

}  // namespace warmfs::hostd

#endif  // WARMFS_HOSTD_PRIVILEGES_H_
