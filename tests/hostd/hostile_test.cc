// What a hostile client sends: every bad path and name in every operation that
// takes one. Nothing outside of the export is told or touched, and nothing
// inside is changed by a refused request.

#include <sys/stat.h>
#include <unistd.h>

#include <vector>

#include "tests/hostd/export_fixture.h"

namespace warmfs::hostd {
namespace {

struct Bad {
  const char* what;
  std::string text;
  int error;
};

struct Target {
  Export& exported;
  ClientState& client;
  Cursors& cursors;
  NodeRef good_dir;
  NodeRef good_file;
};

struct Operation {
  const char* what;
  std::function<int(const Target&, const NodeRef&)> send;
};

// Each takes a node by the path given.
std::vector<Operation> PathOperations() {
  return {
      {"getattr",
       [](auto& t, auto& n) { return t.exported.GetAttr(t.client, n).error; }},
      {"lookup",
       [](auto& t, auto& n) {
         return t.exported.Lookup(t.client, {n, "secret"}).error;
       }},
      {"list",
       [](auto& t, auto& n) {
         return t.exported.List(t.client, t.cursors, {n, {}}).error;
       }},
      {"readlink",
       [](auto& t, auto& n) { return t.exported.ReadLink(t.client, n).error; }},
      {"read",
       [](auto& t, auto& n) {
         ReadRequest r;
         r.files = {{n, 0, 1, {}}};
         return t.exported.Read(t.client, r).files.at(0).error;
       }},
      {"seek",
       [](auto& t, auto& n) {
         return t.exported.Seek(t.client, {n, 0, false}).error;
       }},
      {"statfs",
       [](auto& t, auto& n) { return t.exported.StatFs(t.client, n).error; }},
      {"getxattr",
       [](auto& t, auto& n) {
         return t.exported.GetXattr(t.client, {n, "user.a"}).error;
       }},
      {"setattr",
       [](auto& t, auto& n) {
         SetAttrRequest r;
         r.node = n;
         r.mode = 0777;
         r.size = 0;
         return t.exported.SetAttr(t.client, r).error;
       }},
      {"create",
       [](auto& t, auto& n) {
         CreateRequest r;
         r.dir = n;
         r.name = "planted";
         r.mode = S_IFREG | 0644;
         return t.exported.Create(t.client, r).error;
       }},
      {"link from",
       [](auto& t, auto& n) {
         return t.exported.Link(t.client, {n, t.good_dir, "planted", false})
             .error;
       }},
      {"link to",
       [](auto& t, auto& n) {
         return t.exported.Link(t.client, {t.good_file, n, "planted", false})
             .error;
       }},
      {"remove",
       [](auto& t, auto& n) {
         return t.exported.Remove(t.client, {n, "secret", false, true, false})
             .error;
       }},
      {"rename from",
       [](auto& t, auto& n) {
         return t.exported
             .Rename(t.client,
                     {n, "secret", t.good_dir, "planted", 0, {}, true, false})
             .error;
       }},
      {"rename to",
       [](auto& t, auto& n) {
         return t.exported
             .Rename(t.client,
                     {t.good_dir, "file", n, "secret", 0, {}, true, false})
             .error;
       }},
      {"write",
       [](auto& t, auto& n) {
         return t.exported.Write(t.client, {n, 0, "pwned", false, false}).error;
       }},
      {"append",
       [](auto& t, auto& n) {
         return t.exported.Write(t.client, {n, 0, "pwned", true, true}).error;
       }},
      {"allocate",
       [](auto& t, auto& n) {
         return t.exported.Allocate(t.client, {n, 0, 0, 9999}).error;
       }},
      {"copy from",
       [](auto& t, auto& n) {
         return t.exported.Copy(t.client, {n, 0, t.good_file, 0, 9}).error;
       }},
      {"copy to",
       [](auto& t, auto& n) {
         return t.exported.Copy(t.client, {t.good_file, 0, n, 0, 9}).error;
       }},
      {"sync",
       [](auto& t, auto& n) {
         return t.exported.Sync(t.client, {n, false}).error;
       }},
      {"setxattr",
       [](auto& t, auto& n) {
         return t.exported.SetXattr(t.client, {n, "user.a", "v", 0}).error;
       }},
      {"lock",
       [](auto& t, auto& n) {
         LockRequest r;
         r.node = n;
         r.type = LockType::kWrite;
         return t.exported.Lock(t.client, r).error;
       }},
  };
}

struct NameOperation {
  const char* what;
  std::function<int(const Target&, std::string_view)> send;
};

// Each takes a name in a good directory.
std::vector<NameOperation> NameOperations() {
  return {
      {"lookup",
       [](auto& t, auto name) {
         return t.exported.Lookup(t.client, {t.good_dir, name}).error;
       }},
      {"create",
       [](auto& t, auto name) {
         CreateRequest r;
         r.dir = t.good_dir;
         r.name = name;
         r.mode = S_IFREG | 0644;
         r.exclusive = false;
         return t.exported.Create(t.client, r).error;
       }},
      {"mkdir",
       [](auto& t, auto name) {
         CreateRequest r;
         r.dir = t.good_dir;
         r.name = name;
         r.mode = S_IFDIR | 0755;
         return t.exported.Create(t.client, r).error;
       }},
      {"link",
       [](auto& t, auto name) {
         return t.exported
             .Link(t.client, {t.good_file, t.good_dir, name, false})
             .error;
       }},
      {"remove",
       [](auto& t, auto name) {
         return t.exported
             .Remove(t.client, {t.good_dir, name, false, true, true})
             .error;
       }},
      {"rmdir",
       [](auto& t, auto name) {
         return t.exported
             .Remove(t.client, {t.good_dir, name, true, true, true})
             .error;
       }},
      {"rename from",
       [](auto& t, auto name) {
         return t.exported
             .Rename(t.client,
                     {t.good_dir, name, t.good_dir, "x", 0, {}, true, false})
             .error;
       }},
      {"rename to",
       [](auto& t, auto name) {
         return t.exported
             .Rename(t.client,
                     {t.good_dir, "file", t.good_dir, name, 0, {}, true, false})
             .error;
       }},
  };
}

class HostileTest : public ExportTest {
 protected:
  void SetUp() override {
    MakeDir("dir");
    WriteHost("dir/file", "inside");
    MakeDir("dir/sub");
    WriteHost("../outside/secret", "secret");
    MakeLink("../outside", "link");
    MakeLink(outside_, "absolute");
    MakeLink("../../outside/secret", "dir/secret");
    outside_before_ = AttrOf(outside_);
    secret_before_ = AttrOf(outside_ + "/secret");
    dir_before_ = AttrOf(Host("dir"));
    file_before_ = AttrOf(Host("dir/file"));
  }

  Target MakeTarget() {
    return {*export_, client_, cursors_, Ref("dir"), Ref("dir/file")};
  }

  void ExpectNothingTouched(const std::string& what) {
    EXPECT_EQ(AttrOf(outside_).version(), outside_before_.version()) << what;
    const Attr secret = AttrOf(outside_ + "/secret");
    EXPECT_EQ(secret.version(), secret_before_.version()) << what;
    EXPECT_EQ(secret.mode, secret_before_.mode) << what;
    EXPECT_EQ(AttrOf(Host("dir")).version(), dir_before_.version()) << what;
    EXPECT_EQ(AttrOf(Host("dir/file")).version(), file_before_.version())
        << what;
    EXPECT_EQ(client_.held(), 0u) << what;
  }

  Attr outside_before_, secret_before_, dir_before_, file_before_;
};

TEST_F(HostileTest, PathsThatNameNothingBeneathTheExport) {
  const std::vector<Bad> paths = {
      {"parent", "..", EINVAL},
      {"through the parent", "../outside", EINVAL},
      {"parent further down", "dir/../../outside/secret", EINVAL},
      {"parent at the end", "dir/..", EINVAL},
      {"absolute", outside_ + "/secret", EINVAL},
      {"root", "/", EINVAL},
      {"double slash", "dir//file", EINVAL},
      {"final slash", "dir/", EINVAL},
      {"dot", ".", EINVAL},
      {"dot further down", "dir/./file", EINVAL},
      {"NUL", std::string("dir\0/../..", 10), EINVAL},
      {"NUL at the end", std::string("dir/file\0", 9), EINVAL},
      {"256-byte name", std::string(256, 'n'), ENAMETOOLONG},
      {"70,000-byte name", std::string(70'000, 'n'), ENAMETOOLONG},
      {"70,000-byte path",
       [] {
         std::string path = "dir";
         while (path.size() < 70'000) path += "/x";
         return path;
       }(),
       ENAMETOOLONG},
      {"long, in limits, not there",
       [] {
         std::string path = "dir";
         while (path.size() < 60'000) path += "/x";
         return path;
       }(),
       ESTALE},
      {"through a link", "link/secret", ESTALE},
      {"through an absolute link", "absolute/secret", ESTALE},
      {"through a file", "dir/file/x", ESTALE},
      {"not there", "nothing", ESTALE},
      {"a proc path", "proc/self/root", ESTALE},
  };
  // A client that guesses right what is outside must not get there either.
  const std::vector<FileId> ids = {secret_before_.id, outside_before_.id,
                                   FileId(), FileId{~0ull, ~0ull}};
  const Target target = MakeTarget();
  for (const Bad& bad : paths) {
    for (const FileId& id : ids) {
      for (const Operation& op : PathOperations()) {
        EXPECT_EQ(op.send(target, {bad.text, id}), bad.error)
            << op.what << " of " << bad.what;
      }
    }
    ExpectNothingTouched(bad.what);
  }
}

TEST_F(HostileTest, GarbageIdentitiesAreStale) {
  const Target target = MakeTarget();
  for (const char* path : {"", "dir", "dir/file", "dir/secret", "link"}) {
    for (const FileId& id :
         {FileId(), FileId{1, 2}, secret_before_.id, outside_before_.id}) {
      for (const Operation& op : PathOperations()) {
        EXPECT_EQ(op.send(target, {path, id}), ESTALE) << op.what << path;
      }
    }
    ExpectNothingTouched(path);
  }
}

TEST_F(HostileTest, ALinkItselfLeadsNowhere) {
  const Target target = MakeTarget();
  for (const char* path : {"link", "absolute", "dir/secret"}) {
    for (const Operation& op : PathOperations()) {
      const std::string what = op.what;
      // These are about the link itself, and may work.
      if (what == "getattr" || what == "readlink" || what == "statfs" ||
          what == "link from") {
        continue;
      }
      EXPECT_NE(op.send(target, Ref(path)), 0) << what << " of " << path;
    }
    ExpectNothingTouched(path);
  }
}

TEST_F(HostileTest, NamesThatAreNotOneComponent) {
  const std::vector<Bad> names = {
      {"empty", "", EINVAL},
      {"dot", ".", EINVAL},
      {"parent", "..", EINVAL},
      {"two components", "sub/x", EINVAL},
      {"through the parent", "../../outside/secret", EINVAL},
      {"absolute", outside_ + "/secret", EINVAL},
      {"final slash", "sub/", EINVAL},
      {"NUL", std::string("file\0x", 6), EINVAL},
      {"256 bytes", std::string(256, 'n'), ENAMETOOLONG},
      {"70,000 bytes", std::string(70'000, 'n'), ENAMETOOLONG},
  };
  const Target target = MakeTarget();
  for (const Bad& bad : names) {
    for (const NameOperation& op : NameOperations()) {
      EXPECT_EQ(op.send(target, bad.text), bad.error)
          << op.what << " of " << bad.what;
    }
    ExpectNothingTouched(bad.what);
  }
}

TEST_F(HostileTest, AFifoNeverBlocksAndADeviceIsNeverOpened) {
  ASSERT_EQ(mkfifo(Host("fifo").c_str(), 0666), 0);
  std::vector<std::string> paths = {"fifo"};
  if (mknod(Host("device").c_str(), S_IFCHR | 0666, 0) == 0) {
    paths.push_back("device");
  }
  const Target target = MakeTarget();
  for (const std::string& path : paths) {
    for (const char* what : {"read", "seek", "write", "append", "allocate",
                             "copy from", "copy to", "sync", "lock"}) {
      for (const Operation& op : PathOperations()) {
        if (op.what == std::string(what)) {
          EXPECT_EQ(op.send(target, Ref(path)), EINVAL) << what << path;
        }
      }
    }
  }
}

}  // namespace
}  // namespace warmfs::hostd
