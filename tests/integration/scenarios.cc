#include "tests/integration/scenarios.h"

#include <map>

namespace warmfs::testing {
namespace {

constexpr char kFile[] = "echo content > f";
constexpr char kTree[] =
    "mkdir -p d/e; for i in 1 2 3; do echo $i > d/$i; echo $i > d/e/$i; done";
// Two branches, alike from one time to the next; on one there are as many files
// more in each of two directories. Git's maintenance goes on in the background,
// in no order with anything.
std::string Repository(int files) {
  return "export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null "
         "GIT_AUTHOR_DATE=2020-01-01T00:00:00Z "
         "GIT_COMMITTER_DATE=2020-01-01T00:00:00Z;"
         "git init -q -b few .; git config maintenance.auto false;"
         "git config core.fsync none; git config user.name n;"
         "git config user.email e@example.org;"
         "echo one > one; git add .; git commit -qm one;"
         "git checkout -q -b many; mkdir a b;"
         "for i in $(seq " +
         std::to_string(files) +
         "); do echo $i > a/$i; echo $i > b/$i; done;"
         "git add .; git commit -qm many; git checkout -q few";
}

std::vector<Scenario> FilesScenarios() {
  return {
      {"create_empty", "", {"touch f"}, {}, ""},
      {"create_and_write", "", {"echo bytes > f"}, {}, ""},
      {"append", kFile, {"echo more >> f"}, {"f"}, ""},
      {"overwrite", kFile, {"echo other > f"}, {"f"}, ""},
      {"overwrite_in_place",
       kFile,
       {"printf X | dd of=f conv=notrunc status=none"},
       {"f"},
       ""},
      {"truncate", kFile, {"truncate -s 2 f"}, {"f"}, ""},
      {"extend", kFile, {"truncate -s 100000 f"}, {"f"}, ""},
      {"truncate_and_leave_empty", kFile, {": > f"}, {"f"}, ""},
      {"many_writes",
       "",
       {"for i in $(seq 200); do echo line $i; done > f"},
       {},
       ""},
      {"many_appends",
       kFile,
       {"for i in $(seq 50); do echo line >> f; done"},
       {"f"},
       ""},
      {"big_file", "", {"head -c 5000000 /dev/zero > f"}, {}, ""},
      {"remove", kFile, {"rm f"}, {"f"}, ""},
      {"remove_open", kFile, {"exec 3< f; rm f; exec 3<&-"}, {"f"}, ""},
      {"remove_open_for_writing",
       kFile,
       {"exec 3>> f; rm f; echo more >&3; exec 3>&-"},
       {"f"},
       "a file that only the host has open is gone here when its last name "
       "is"},
      {"short_lived", "", {"echo x > t; rm t"}, {}, ""},
      {"short_lived_many",
       "",
       {"for i in $(seq 30); do echo x > t$i; rm t$i; done"},
       {},
       ""},
      {"same_name_again",
       kFile,
       {"rm f; echo new > f", "rm f; echo newer > f"},
       {},
       ""},
      {"chmod", kFile, {"chmod 600 f", "chmod 755 f"}, {"f"}, ""},
      {"chmod_same", kFile, {"chmod 644 f; chmod 644 f"}, {"f"}, ""},
      {"chown", kFile, {"chown $(id -u):$(id -g) f"}, {"f"}, ""},
      {"touch_existing",
       kFile,
       {"touch f", "touch -d 2001-01-01 f"},
       {"f"},
       ""},
      {"touch_mtime_only", kFile, {"touch -m f"}, {"f"}, ""},
      {"xattr",
       kFile,
       {"setfattr -n user.a -v 1 f", "setfattr -x user.a f"},
       {"f"},
       ""},
      {"hard_link", kFile, {"ln f g", "rm f", "echo more >> g"}, {"f"}, ""},
      {"hard_link_elsewhere",
       std::string(kFile) + "; mkdir d",
       {"ln f d/g", "echo more >> d/g", "rm d/g"},
       {"f"},
       ""},
      {"symlink", "", {"ln -s target l", "rm l"}, {}, ""},
      {"symlink_replaced", "ln -s one l", {"ln -sfn two l"}, {}, ""},
      {"fifo", "", {"mkfifo p", "rm p"}, {}, ""},
      {"fifo_used",
       "mkfifo p",
       {"(cat p > $OUT/x &) ; echo hello > p"},
       {},
       "opening a FIFO for the watchers' sake would show its readers a writer"},
  };
}

std::vector<Scenario> DirectoriesScenarios() {
  return {
      {"mkdir", "", {"mkdir d"}, {}, ""},
      {"mkdir_then_fill", "", {"mkdir d", "echo x > d/f", "rm d/f"}, {}, ""},
      {"mkdir_p", "", {"mkdir -p a/b/c", "echo x > a/b/c/f"}, {}, ""},
      {"rmdir", "mkdir d", {"rmdir d"}, {"d"}, ""},
      {"rm_rf", kTree, {"rm -rf d"}, {}, ""},
      {"rm_rf_and_again", kTree, {"rm -rf d", kTree, "rm -rf d"}, {}, ""},
      {"chmod_directory", "mkdir d", {"chmod 700 d"}, {}, ""},
      {"touch_directory", "mkdir d", {"touch d"}, {}, ""},
      {"rename_directory", kTree, {"mv d g", "echo x > g/new"}, {}, ""},
      {"rename_directory_deep", kTree, {"mv d/e e", "mv e d/e"}, {}, ""},
      {"rename_and_write_at_once", kTree, {"mv d g; echo x > g/e/1"}, {}, ""},
      {"rename_and_remove_at_once", kTree, {"mv d g; rm -rf g"}, {}, ""},
      {"rename_over_empty_directory",
       std::string(kTree) + "; mkdir g",
       {"mv -T d g"},
       {},
       ""},
      {"copy_tree",
       "mkdir d; echo x > d/f",
       {"cp -a d g", "echo y > g/f"},
       {},
       ""},
      {"copy_tree_in",
       "mkdir -p $OUT/d/e; echo x > $OUT/d/f; echo x > $OUT/d/e/f",
       {"cp -a $OUT/d d"},
       {},
       ""},
      {"tar_extract",
       "mkdir -p $OUT/d/e; echo x > $OUT/d/f; echo y > $OUT/d/e/f; "
       "tar cf $OUT/t.tar -C $OUT d",
       {"tar xf $OUT/t.tar"},
       {},
       ""},
  };
}

std::vector<Scenario> MovesScenarios() {
  return {
      {"rename", kFile, {"mv f g"}, {"f"}, ""},
      {"rename_there_and_back", kFile, {"mv f g; mv g f"}, {"f"}, ""},
      {"rename_across",
       std::string(kFile) + "; mkdir d",
       {"mv f d/f"},
       {"f"},
       ""},
      {"rename_over",
       std::string(kFile) + "; echo old > g",
       {"mv f g"},
       {"f", "g"},
       ""},
      {"rename_over_across",
       std::string(kFile) + "; mkdir d; echo old > d/f",
       {"mv f d/f"},
       {"f", "d/f"},
       ""},
      {"rename_chain", kFile, {"mv f g; mv g h; mv h i"}, {"f"}, ""},
      {"exchange",
       std::string(kFile) + "; echo other > g",
       {"python3 -c \"import ctypes; "
        "assert ctypes.CDLL(None).renameat2(-100, b'f', -100, b'g', 2) == 0\""},
       {"f", "g"},
       ""},
      {"exchange_directories",
       "mkdir d e; echo 1 > d/1; echo 2 > e/2",
       {"python3 -c \"import ctypes; "
        "assert ctypes.CDLL(None).renameat2(-100, b'd', -100, b'e', 2) == 0\"",
        "echo x > d/new"},
       {},
       ""},
      {"moved_in", "echo x > $OUT/f", {"mv $OUT/f f"}, {}, ""},
      {"moved_in_over",
       std::string(kFile) + "; echo x > $OUT/f",
       {"mv $OUT/f f"},
       {"f"},
       ""},
      {"moved_out", kFile, {"mv f $OUT/f"}, {"f"}, ""},
      {"moved_out_and_in", kFile, {"mv f $OUT/f", "mv $OUT/f g"}, {}, ""},
      {"directory_moved_in",
       "mkdir $OUT/d; echo x > $OUT/d/f",
       {"mv $OUT/d d", "echo y > d/f"},
       {},
       ""},
      {"directory_moved_out", kTree, {"mv d $OUT/d"}, {}, ""},
  };
}

std::vector<Scenario> ProgramsScenarios() {
  return {
      {"vim",
       kFile,
       {"echo x > 4913; rm 4913; mv f f~; echo new > f; chmod 644 f; rm f~"},
       {"f"},
       ""},
      {"vim_copying", kFile, {"cp -p f f~; echo new > f; rm f~"}, {"f"}, ""},
      {"emacs",
       kFile,
       {"ln -s me@here.1 .#f; echo auto > '#f#'",
        "mv f f~; echo new > f; rm .#f '#f#'"},
       {"f"},
       ""},
      {"vs_code", kFile, {"echo new > f"}, {"f"}, ""},
      {"jetbrains",
       kFile,
       {"echo new > f___jb_tmp___; mv f f___jb_old___; mv f___jb_tmp___ f; "
        "rm f___jb_old___"},
       {"f"},
       ""},
      {"temporary_and_rename",
       kFile,
       {"echo new > .f.tmp; mv .f.tmp f", "echo newer > .f.tmp; mv .f.tmp f"},
       {"f"},
       ""},
      {"sed_in_place", kFile, {"sed -i s/content/new/ f"}, {"f"}, ""},
      {"lock_file",
       "mkdir .git; echo index > .git/index",
       {"echo new > .git/index.lock; mv .git/index.lock .git/index",
        "set -C; : > .git/index.lock; rm .git/index.lock"},
       {},
       ""},
      {"compile",
       "echo 'int main(void) { return 0; }' > m.c",
       {"cc -o m m.c", "rm m"},
       {},
       ""},
      {"git_checkout", Repository(1000), {"git checkout -q many"}, {}, ""},
      {"git_checkout_and_back",
       Repository(1000) + "; git checkout -q many",
       {"git checkout -q few"},
       {},
       ""},
      {"git_commit",
       Repository(3),
       {"export GIT_AUTHOR_DATE=2020-01-01T00:00:00Z "
        "GIT_COMMITTER_DATE=2020-01-01T00:00:00Z; "
        "echo two >> one; git add one; git commit -qm two"},
       {},
       ""},
  };
}

}  // namespace

const std::vector<Scenario>& Scenarios() {
  static const std::vector<Scenario>* const all = [] {
    auto* list = new std::vector<Scenario>();
    for (const auto& group : {FilesScenarios(), DirectoriesScenarios(),
                              MovesScenarios(), ProgramsScenarios()}) {
      list->insert(list->end(), group.begin(), group.end());
    }
    return list;
  }();
  return *all;
}

std::string NotOnWindows(const std::string& scenario) {
  constexpr char kAttributes[] = "Windows tells attributes like content";
  constexpr char kCloses[] = "Windows does not tell closes: they are guessed";
  constexpr char kMoves[] =
      "Windows tells moves into and out of the export as made and removed";
  constexpr char kRenamed[] =
      "Wine tells what is beneath a renamed directory by its old path";
  static const std::map<std::string, std::string> all = {
      {"create_empty", kAttributes},
      {"chmod", kAttributes},
      {"chmod_same", kAttributes},
      {"chown", kAttributes},
      {"touch_existing", kAttributes},
      {"xattr", kAttributes},
      {"copy_tree", kAttributes},
      {"copy_tree_in", kAttributes},
      {"tar_extract", kAttributes},
      {"vim", kAttributes},
      {"vim_copying", kAttributes},
      {"sed_in_place", kAttributes},
      {"compile", kAttributes},
      {"many_appends", kCloses},
      {"emacs", kCloses},
      {"jetbrains", kCloses},
      {"hard_link", kCloses},
      {"hard_link_elsewhere", kCloses},
      {"symlink", kCloses},
      {"symlink_replaced", kCloses},
      {"fifo", kCloses},
      {"git_checkout", kCloses},
      {"git_checkout_and_back", kCloses},
      {"git_commit", kCloses},
      {"moved_in", kMoves},
      {"moved_in_over", kMoves},
      {"moved_out", kMoves},
      {"moved_out_and_in", kMoves},
      {"directory_moved_in", kMoves},
      {"directory_moved_out", kMoves},
      {"rename_directory_deep", kRenamed},
      {"rename_and_remove_at_once", kRenamed},
      {"exchange_directories", kRenamed},
  };
  const auto found = all.find(scenario);
  return found == all.end() ? "" : found->second;
}

}  // namespace warmfs::testing
