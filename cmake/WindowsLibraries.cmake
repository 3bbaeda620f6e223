# The libraries of the preset `windows`, as scripts/windows-libraries has built
# them, under the names that the native ones have.
execute_process(COMMAND ${PROJECT_SOURCE_DIR}/scripts/windows-libraries
  OUTPUT_VARIABLE libraries OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE failed)
if(failed)
  message(FATAL_ERROR "scripts/windows-libraries failed; what it said is above")
endif()
list(PREPEND CMAKE_FIND_ROOT_PATH ${libraries})
find_package(absl REQUIRED CONFIG PATHS ${libraries} NO_DEFAULT_PATH NO_CMAKE_FIND_ROOT_PATH)

function(windows_headers target)  # and definitions
  add_library(${target} INTERFACE IMPORTED)
  target_include_directories(${target} SYSTEM INTERFACE ${libraries}/include)
  target_compile_definitions(${target} INTERFACE ${ARGN})
endfunction()
windows_headers(CLI11::CLI11)
windows_headers(nlohmann_json::nlohmann_json)
windows_headers(fmt::fmt FMT_HEADER_ONLY=1)
windows_headers(spdlog::spdlog SPDLOG_FMT_EXTERNAL=1 FMT_HEADER_ONLY=1)
windows_headers(PkgConfig::XXHASH XXH_INLINE_ALL=1)

windows_headers(CapnProto::capnp-rpc)
target_link_libraries(CapnProto::capnp-rpc INTERFACE
  ${libraries}/lib/libcapnp-rpc.a ${libraries}/lib/libcapnp.a ${libraries}/lib/libkj-async.a
  ${libraries}/lib/libkj.a ws2_32 advapi32)

# The native generator, which is of the same version.
find_program(CAPNP_EXECUTABLE capnp REQUIRED)
find_program(CAPNPC_CXX_EXECUTABLE capnpc-c++ REQUIRED)
function(capnp_generate_cpp sources headers schema)
  set(out ${CAPNPC_OUTPUT_DIR}/${schema})
  add_custom_command(OUTPUT ${out}.c++ ${out}.h
    COMMAND ${CAPNP_EXECUTABLE} compile -o ${CAPNPC_CXX_EXECUTABLE}:${CAPNPC_OUTPUT_DIR}
            --src-prefix ${CAPNPC_SRC_PREFIX} -I /usr/include ${CMAKE_CURRENT_SOURCE_DIR}/${schema}
    DEPENDS ${schema} VERBATIM)
  set(${sources} ${out}.c++ PARENT_SCOPE)
  set(${headers} ${out}.h PARENT_SCOPE)
endfunction()

if(WARMFS_TESTS)
  find_package(GTest REQUIRED CONFIG PATHS ${libraries} NO_DEFAULT_PATH NO_CMAKE_FIND_ROOT_PATH)
endif()
