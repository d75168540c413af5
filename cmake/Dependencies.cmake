# How each dependency is found. What is missing is told in one line, with the command that installs it.

find_program(CCACHE ccache)
if(CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
endif()

function(taper_missing what command)
  # The space in front keeps CMake from wrapping the line.
  message(FATAL_ERROR " ${what} was not found. Install it with: ${command}")
endfunction()

find_package(Threads REQUIRED)
find_package(OpenMP COMPONENTS CXX)
if(NOT OpenMP_CXX_FOUND)
  taper_missing("OpenMP" "apt-get install g++")
endif()
find_package(ZLIB)
if(NOT ZLIB_FOUND)
  taper_missing("zlib" "apt-get install zlib1g-dev")
endif()
find_package(nlohmann_json 3 QUIET)
if(NOT nlohmann_json_FOUND)
  taper_missing("nlohmann_json" "apt-get install nlohmann-json3-dev")
endif()

# libbacktrace, which comes with gcc, reads the line tables of programs, so that errors name the caller's line. Its header
# lies among gcc's own, which must not be seen by another compiler.
find_program(GCC gcc)
if(GCC)
  execute_process(COMMAND ${GCC} -print-file-name=include OUTPUT_VARIABLE gcc_include OUTPUT_STRIP_TRAILING_WHITESPACE)
  execute_process(COMMAND ${GCC} -print-file-name=. OUTPUT_VARIABLE gcc_library OUTPUT_STRIP_TRAILING_WHITESPACE)
endif()
find_file(BACKTRACE_HEADER backtrace.h HINTS ${gcc_include})
find_library(BACKTRACE_LIBRARY libbacktrace.a HINTS ${gcc_library})
if(BACKTRACE_HEADER AND BACKTRACE_LIBRARY)
  set(TAPER_LINE_TABLES 1)
  configure_file(${BACKTRACE_HEADER} ${CMAKE_BINARY_DIR}/libbacktrace/backtrace.h COPYONLY)
else()
  set(TAPER_LINE_TABLES 0)
  message(STATUS "libbacktrace was not found: errors will not name lines of C++ programs")
endif()

# Highway 1.0 or newer of the system, else built from source if TAPER_FETCH allows it (Ubuntu 22.04 has an older one).
option(TAPER_FETCH "Fetch what the system lacks from the network" OFF)
find_path(HWY_INCLUDE hwy/highway.h)
find_library(HWY_LIBRARY hwy)
find_library(HWY_CONTRIB_LIBRARY hwy_contrib)
set(hwy_version "none")
if(HWY_INCLUDE AND HWY_LIBRARY AND HWY_CONTRIB_LIBRARY)
  file(GLOB hwy_headers ${HWY_INCLUDE}/hwy/highway.h ${HWY_INCLUDE}/hwy/base.h)
  foreach(header IN LISTS hwy_headers)
    file(STRINGS ${header} lines REGEX "define HWY_MAJOR [0-9]+")
    if(lines MATCHES "HWY_MAJOR ([0-9]+)")
      set(hwy_version ${CMAKE_MATCH_1})
    endif()
  endforeach()
endif()
if(hwy_version MATCHES "none|^0")
  if(NOT TAPER_FETCH)
    taper_missing("Highway 1.0" "apt-get install libhwy-dev; or, where that is older, configure with -DTAPER_FETCH=ON")
  endif()
  message(STATUS "Highway 1.0 is not installed; fetching it")
  include(FetchContent)
  set(HWY_ENABLE_TESTS OFF CACHE BOOL "")
  set(HWY_ENABLE_EXAMPLES OFF CACHE BOOL "")
  set(HWY_ENABLE_INSTALL OFF CACHE BOOL "")
  set(BUILD_SHARED_LIBS OFF)
  set(BUILD_TESTING OFF)
  FetchContent_Declare(highway GIT_REPOSITORY https://github.com/google/highway.git GIT_TAG 1.0.7 GIT_SHALLOW ON)
  FetchContent_MakeAvailable(highway)
  set(HWY_INCLUDE ${highway_SOURCE_DIR})
  set(HWY_LIBRARY hwy)
  set(HWY_CONTRIB_LIBRARY hwy_contrib)
endif()

# Headers only, of which the kernels of linear algebra and Fourier transforms are made.
find_path(EIGEN_INCLUDE unsupported/Eigen/FFT PATH_SUFFIXES eigen3)
set(eigen_macros "")
if(EIGEN_INCLUDE)
  file(STRINGS ${EIGEN_INCLUDE}/Eigen/src/Core/util/Macros.h eigen_macros REGEX "define EIGEN_M[AI][JN]OR_VERSION")
endif()
if(NOT eigen_macros MATCHES "MAJOR_VERSION [4-9]|MINOR_VERSION [4-9]")
  taper_missing("Eigen 3.4" "apt-get install libeigen3-dev")
endif()

# Gloo moves the tensors of taper.distributed, OpenSSL proves that a process belongs to the job. Without them the rest
# of Taper is built, and taper.distributed.is_available() is False.
find_path(GLOO_INCLUDE gloo/allreduce.h)
find_library(GLOO_LIBRARY gloo)
find_package(OpenSSL 3 QUIET COMPONENTS Crypto)
if(GLOO_INCLUDE AND GLOO_LIBRARY AND OpenSSL_FOUND)
  set(TAPER_GLOO ON)
else()
  set(TAPER_GLOO OFF)
  message(STATUS "Gloo or OpenSSL was not found, taper.distributed is left out. "
                 "Install them with: apt-get install libgloo-dev libssl-dev")
endif()

# The environment that `make setup` creates is preferred, unless another one is active or named.
if(NOT DEFINED Python_EXECUTABLE AND NOT DEFINED ENV{VIRTUAL_ENV} AND EXISTS ${PROJECT_SOURCE_DIR}/.venv/bin/python)
  set(Python_EXECUTABLE ${PROJECT_SOURCE_DIR}/.venv/bin/python)
endif()
find_package(Python 3.10 COMPONENTS Interpreter Development.Module)
if(NOT Python_FOUND)
  taper_missing("Python 3.10 with headers" "apt-get install python3-dev")
endif()

# oneDNN 3 comes from the system, or from the wheels onednn-cpu-gomp and onednn-devel-cpu-gomp. Where pip put a wheel
# only its record tells: in an isolated build it is not below sys.prefix.
execute_process(
  COMMAND ${Python_EXECUTABLE} -c "
import importlib.metadata, os, sys
for name, file in (('onednn-devel-cpu-gomp', 'oneapi/dnnl/dnnl.hpp'), ('onednn-cpu-gomp', 'libdnnl.so.3')):
    try:
        paths = [p for p in importlib.metadata.files(name) if str(p).endswith(file)]
    except importlib.metadata.PackageNotFoundError:
        continue
    print(*(os.path.normpath(str(p.locate())[:-len(file)]) for p in paths), sep=';', end=';')
print(sys.prefix, end='')"
  OUTPUT_VARIABLE onednn_hints)
find_path(ONEDNN_INCLUDE oneapi/dnnl/dnnl.hpp HINTS ${onednn_hints} PATH_SUFFIXES include)
find_library(ONEDNN_LIBRARY NAMES dnnl libdnnl.so.3 HINTS ${onednn_hints} PATH_SUFFIXES lib)
if(NOT ONEDNN_INCLUDE OR NOT ONEDNN_LIBRARY)
  taper_missing("oneDNN 3" "pip install onednn-cpu-gomp==2023.2.0 onednn-devel-cpu-gomp==2023.2.0")
endif()
file(STRINGS ${ONEDNN_INCLUDE}/oneapi/dnnl/dnnl_version.h onednn_major REGEX "define DNNL_VERSION_MAJOR")
if(NOT onednn_major MATCHES "3")
  taper_missing("oneDNN 3 (an older one is installed)" "pip install onednn-cpu-gomp==2023.2.0 onednn-devel-cpu-gomp==2023.2.0")
endif()
