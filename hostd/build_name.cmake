# cmake -DSOURCE=... -DSYSTEM=... -DOUT=... -P build_name.cmake: a header with the
# commit, "+" if there is more than it has, and the system that it is built for.
# Of sources without git there is the system only.
execute_process(COMMAND git describe --always --abbrev=10 --exclude=* --dirty=+ WORKING_DIRECTORY ${SOURCE}
  OUTPUT_VARIABLE name OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
if(name)
  string(APPEND name ", ")
endif()
file(CONFIGURE OUTPUT ${OUT} CONTENT [[
#define WARMFS_BUILD "@name@@SYSTEM@"
]] @ONLY)
