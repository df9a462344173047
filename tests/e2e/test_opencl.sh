# devices when OpenCL is missing: the backend is listed with what to install, and everything else goes on.
. "${BASH_SOURCE%/*}/lib.sh"
[ "${WITH_OPENCL:-OFF}" = ON ] || skip "this build has no OpenCL backend"

missing() { # missing WORDS: opencl is listed as unavailable, with these words
    expect_rc 0
    expect_out "ref:0"
    expect_out "$1"
}

# a loader that cannot be loaded stands before the system's
ppm black.ppm 22 52 1
mkdir hidden
echo "no library" > hidden/libOpenCL.so.1
cp hidden/libOpenCL.so.1 hidden/libOpenCL.so
LD_LIBRARY_PATH=$work/hidden run devices
missing "opencl: no OpenCL loader (libOpenCL.so.1): apt-get install ocl-icd-libopencl1"
LD_LIBRARY_PATH=$work/hidden run devices --json
expect_jq '[.devices[] | select(.backend == "opencl")] | length == 1 and (.[0].available | not) and (.[0].why | contains("ocl-icd-libopencl1"))'
LD_LIBRARY_PATH=$work/hidden refuse 3 "ocl-icd-libopencl1" run v1 --input black.ppm --device opencl
FOLDRUN_OPENCL_LIBRARY=$work/hidden/libOpenCL.so run devices
missing "which FOLDRUN_OPENCL_LIBRARY names"

# the loader without any driver
run devices --json
if "$JQ" -e '[.devices[] | select(.backend == "opencl" and .available)] | length > 0' < out > /dev/null; then
    expect_jq '[.devices[] | select(.backend == "opencl" and .available) | .driver | contains("OpenCL ")] | all'
    expect_jq '[.devices[] | select(.backend == "opencl" and .available and .kind == "cpu") | .software] | all'
    OCL_ICD_VENDORS=$work/nowhere OCL_ICD_FILENAMES='' run devices
    missing "no driver (platform)"
    expect_out "apt-get install pocl-opencl-icd"
fi
finish
