# `cmake --build --preset windows --target package-zip`: one program and a guide.
set(package warmfs-hostd-${PROJECT_VERSION}-windows-x64)
add_custom_target(package-zip
  COMMAND ${CMAKE_COMMAND} -E rm -rf ${package} ${package}.zip
  COMMAND ${CMAKE_COMMAND} -E make_directory ${package}
  COMMAND ${CMAKE_STRIP} -o ${package}/warmfs-hostd.exe $<TARGET_FILE:warmfs-hostd>
  COMMAND ${CMAKE_COMMAND} -E copy ${PROJECT_SOURCE_DIR}/docs/windows-guide.md ${package}/README.md
  COMMAND ${CMAKE_COMMAND} -E tar cf ${package}.zip --format=zip ${package}
  WORKING_DIRECTORY ${CMAKE_BINARY_DIR}
  DEPENDS warmfs-hostd VERBATIM)
