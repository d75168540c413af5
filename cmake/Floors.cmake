# One OBJECT library a floor, all in one shared library. OBJECT, because a file that only registers an operation would
# be dropped from a static archive.

set(TAPER_FLOORS "" CACHE INTERNAL "")

# Kernels are compiled for the baseline, AVX2 and AVX-512; the choice is made when the program starts. Newer versions
# of Highway have more kinds of AVX-512, which only they can name.
set(disabled_targets HWY_SSSE3 HWY_SSE4 HWY_AVX3_DL)
file(STRINGS ${HWY_INCLUDE}/hwy/detect_targets.h newer_targets
     REGEX "define HWY_(AVX3_ZEN4|AVX3_SPR|AVX10_2[_0-9]*) +\\(1LL")
foreach(target IN LISTS newer_targets)
  string(REGEX MATCH "HWY_[A-Z0-9_]+" target "${target}")
  list(APPEND disabled_targets ${target})
endforeach()
list(JOIN disabled_targets "|" disabled_targets)
set(TAPER_KERNEL_TARGETS "HWY_DISABLED_TARGETS=(${disabled_targets})")

# gcc 12 sees overlapping copies in "text" + string (its bug 105651).
set(TAPER_WARNINGS -Wall -Wextra $<$<BOOL:${TAPER_WERROR}>:-Werror> $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>)

function(taper_floor name)
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/${name}/*.cc)
  if(NOT sources)
    return()
  endif()
  list(FILTER sources EXCLUDE REGEX "/distributed/gloo/")
  add_library(taper_${name} OBJECT ${sources})
  target_include_directories(taper_${name} PRIVATE ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/src)
  target_compile_options(taper_${name} PRIVATE ${TAPER_WARNINGS} -ffp-contract=off -fno-math-errno
                                               -fno-trapping-math)
  if(name STREQUAL "base")
    set_source_files_properties(${PROJECT_SOURCE_DIR}/src/base/caller.cc PROPERTIES
                                COMPILE_DEFINITIONS TAPER_LINE_TABLES=${TAPER_LINE_TABLES}
                                INCLUDE_DIRECTORIES ${CMAKE_BINARY_DIR}/libbacktrace)
  endif()
  if(name STREQUAL "cpu")
    target_include_directories(taper_cpu SYSTEM PRIVATE ${ONEDNN_INCLUDE} ${EIGEN_INCLUDE} ${HWY_INCLUDE})
    target_compile_definitions(taper_cpu PRIVATE "${TAPER_KERNEL_TARGETS}" EIGEN_DONT_PARALLELIZE EIGEN_MPL2_ONLY)
    # -O2 of gcc leaves loops of unknown length scalar.
    target_compile_options(taper_cpu PRIVATE $<$<CONFIG:Release>:-O3>)
    # Eigen's loops are unrolled by hand; -O3 only makes them slow to compile.
    file(GLOB linalg_sources ${PROJECT_SOURCE_DIR}/src/cpu/linalg_*.cc)
    set_source_files_properties(${linalg_sources} PROPERTIES COMPILE_OPTIONS $<$<CONFIG:Release>:-O2>)
    target_link_libraries(taper_cpu PRIVATE OpenMP::OpenMP_CXX)
  endif()
  if(name STREQUAL "io" OR name STREQUAL "graph")
    target_link_libraries(taper_${name} PRIVATE nlohmann_json::nlohmann_json ZLIB::ZLIB)
  endif()
  if(name STREQUAL "distributed")
    target_compile_options(taper_distributed PRIVATE $<$<CONFIG:Release>:-O3>)
  endif()
  set(TAPER_FLOORS ${TAPER_FLOORS} taper_${name} CACHE INTERNAL "")
endfunction()

function(taper_library)
  set(objects)
  foreach(floor IN LISTS TAPER_FLOORS)
    list(APPEND objects $<TARGET_OBJECTS:${floor}>)
  endforeach()
  add_library(taper SHARED ${objects})
  add_library(Taper::taper ALIAS taper)
  target_include_directories(taper PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
                                          $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  target_compile_features(taper PUBLIC cxx_std_20)
  target_link_libraries(taper PRIVATE ${ONEDNN_LIBRARY} ${HWY_CONTRIB_LIBRARY} ${HWY_LIBRARY}
                                      OpenMP::OpenMP_CXX ZLIB::ZLIB Threads::Threads ${CMAKE_DL_LIBS})
  if(TAPER_LINE_TABLES)
    target_link_libraries(taper PRIVATE ${BACKTRACE_LIBRARY})
    target_link_options(taper PRIVATE -Wl,--exclude-libs,libbacktrace.a)
    # An error names the caller's line, for which the caller needs line tables, and a frame for each call.
    target_compile_options(taper INTERFACE
        $<INSTALL_INTERFACE:$<$<NOT:$<CONFIG:Debug,RelWithDebInfo>>:-g1>> $<INSTALL_INTERFACE:-fno-optimize-sibling-calls>)
  endif()
  # Calls within the library are bound when it is linked: thousands of names less to look up at every start.
  target_link_options(taper PRIVATE -Wl,--as-needed -Wl,-Bsymbolic-functions)
  # What is declared and nowhere defined fails here, not when a program loads the library. clang leaves the sanitizers'
  # own functions to the program.
  if(NOT TAPER_SANITIZE AND NOT CMAKE_CXX_FLAGS MATCHES "-fsanitize")
    target_link_options(taper PRIVATE -Wl,-z,defs)
  endif()
  set_target_properties(taper PROPERTIES SOVERSION 0 BUILD_RPATH_USE_ORIGIN ON)
endfunction()

# What libtaper loads when the first process group is made. Without Gloo there is none.
function(taper_transport_library)
  if(NOT TAPER_GLOO)
    return()
  endif()
  set(folder ${PROJECT_SOURCE_DIR}/src/distributed/gloo)
  set(headers ${GLOO_INCLUDE} ${OPENSSL_INCLUDE_DIR} ${folder}/packaged)
  # pairs.cc reaches into Gloo's own classes, which differ from version to version.
  set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
  try_compile(TAPER_GLOO_PROVES_PAIRS ${PROJECT_BINARY_DIR}/gloo_pairs SOURCES ${folder}/pairs.cc CXX_STANDARD 20
              CMAKE_FLAGS "-DINCLUDE_DIRECTORIES=${PROJECT_SOURCE_DIR}/include;${PROJECT_SOURCE_DIR}/src;${headers}")
  file(GLOB sources CONFIGURE_DEPENDS ${folder}/*.cc)
  if(TAPER_GLOO_PROVES_PAIRS)
    list(REMOVE_ITEM sources ${folder}/open_pairs.cc)
  else()
    message(STATUS "Gloo in ${GLOO_INCLUDE} is of a version whose connections between ranks cannot ask for the secret")
    list(REMOVE_ITEM sources ${folder}/pairs.cc)
  endif()
  add_library(taper_gloo MODULE ${sources})
  target_include_directories(taper_gloo PRIVATE ${PROJECT_SOURCE_DIR}/src)
  target_include_directories(taper_gloo SYSTEM PRIVATE ${headers})
  target_compile_options(taper_gloo PRIVATE ${TAPER_WARNINGS} $<$<CONFIG:Release>:-O3>)
  target_link_libraries(taper_gloo PRIVATE taper ${GLOO_LIBRARY} ${OPENSSL_CRYPTO_LIBRARY} Threads::Threads)
  set_target_properties(taper_gloo PROPERTIES BUILD_RPATH_USE_ORIGIN ON)
endfunction()
