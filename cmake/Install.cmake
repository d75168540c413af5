# What `cmake --install` lays down: headers, the library with the libraries it needs beside it, and the package config.
# In a Python wheel only the extension module and the libraries.

include(CMakePackageConfigHelpers)

# Where the libraries of others go: out of the way of the system's own copies.
if(SKBUILD)
  set(library_dir taper/lib)
  set(bundle_dir taper/lib)
  set(bundle_rpath "$ORIGIN")
else()
  set(library_dir ${CMAKE_INSTALL_LIBDIR})
  set(bundle_dir ${CMAKE_INSTALL_LIBDIR}/taper)
  set(bundle_rpath "$ORIGIN/taper")
endif()

# Installs the shared library `file` once, under the name that the loader asks for.
function(taper_bundle file)
  if(TARGET ${file})  # built here from source, as a part of libtaper
    return()
  endif()
  file(REAL_PATH ${file} real)
  execute_process(COMMAND ${CMAKE_OBJDUMP} -p ${real} OUTPUT_VARIABLE headers)
  if(headers MATCHES "SONAME +([^\n ]+)")
    install(FILES ${real} DESTINATION ${bundle_dir} RENAME ${CMAKE_MATCH_1}
            PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
  endif()
endfunction()

# libgomp and libstdc++ stay the system's: a process must have only one of each.
foreach(library ${ONEDNN_LIBRARY} ${HWY_LIBRARY} ${HWY_CONTRIB_LIBRARY})
  taper_bundle(${library})
endforeach()
if(TAPER_GLOO)
  taper_bundle(${GLOO_LIBRARY})
  # What the compiler would link is what Gloo needs: Redis as a store, InfiniBand as a transport.
  foreach(name libhiredis.so libibverbs.so.1 libnl-3.so.200 libnl-route-3.so.200)
    execute_process(COMMAND ${CMAKE_CXX_COMPILER} -print-file-name=${name} OUTPUT_VARIABLE file
                    OUTPUT_STRIP_TRAILING_WHITESPACE)
    if(IS_ABSOLUTE "${file}")
      taper_bundle(${file})
    endif()
  endforeach()
endif()

# DT_RPATH, not DT_RUNPATH: it also serves the libraries that the bundled ones need.
target_link_options(taper PRIVATE -Wl,--disable-new-dtags)
set_target_properties(taper PROPERTIES INSTALL_RPATH ${bundle_rpath})
if(TAPER_GLOO)
  target_link_options(taper_gloo PRIVATE -Wl,--disable-new-dtags)
  set_target_properties(taper_gloo PROPERTIES INSTALL_RPATH "${bundle_rpath};$ORIGIN")
  install(TARGETS taper_gloo LIBRARY DESTINATION ${library_dir})
endif()
if(TARGET taper_cuda)
  # NVIDIA's libraries are found where they were when Taper was built, or as the loader finds them.
  set_target_properties(taper_cuda PROPERTIES INSTALL_RPATH "$ORIGIN;${CUDAToolkit_LIBRARY_DIR}")
  install(TARGETS taper_cuda LIBRARY DESTINATION ${library_dir})
endif()

if(SKBUILD)
  set_target_properties(_C PROPERTIES INSTALL_RPATH "$ORIGIN/lib")
  install(TARGETS _C LIBRARY DESTINATION taper)
  install(TARGETS taper LIBRARY DESTINATION ${library_dir} NAMELINK_SKIP)
  return()
endif()

install(TARGETS taper EXPORT TaperTargets LIBRARY DESTINATION ${library_dir})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/taper DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
        FILES_MATCHING PATTERN "*.h" PATTERN "*.inc")
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/Taper)
install(EXPORT TaperTargets FILE TaperConfig.cmake NAMESPACE Taper:: DESTINATION ${package_dir})
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/TaperConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/TaperConfigVersion.cmake DESTINATION ${package_dir})
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/taper)
