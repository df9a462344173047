# Sourced: install_packages NEEDED... -- WANTED... installs with apt what dpkg does not have. Without a NEEDED package nothing
# can be built; without a WANTED one a part is left out, as the configuration's table then says.

is_installed() {
  [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

install_packages() {
  local -a missing=() needed=() wanted=() found=()
  local package needs=yes unknown=build/not-in-the-archive
  command -v dpkg-query >/dev/null || { echo "No dpkg here: install by yourself what is missing of: $*"; return 0; }
  for package in "$@"; do
    if [ "$package" = -- ]; then
      needs=no
    elif ! is_installed "$package" && ! grep -qxsF "$package" "$unknown"; then
      missing+=("$package")
      if [ $needs = yes ]; then needed+=("$package"); else wanted+=("$package"); fi
    fi
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  if [ "$(id -u)" -ne 0 ] && ! command -v sudo >/dev/null; then
    echo "Missing: ${missing[*]}. As root: apt-get install ${missing[*]}"
    [ ${#needed[@]} -eq 0 ]
    return
  fi
  echo "Installing with apt: ${missing[*]}"
  as_root apt-get update -qq
  for package in "${missing[@]}"; do
    if apt-cache show "$package" >/dev/null 2>&1; then
      found+=("$package")
    else
      echo "This system's archive has no $package: left out."
      mkdir -p build
      echo "$package" >>"$unknown"
    fi
  done
  [ ${#found[@]} -eq 0 ] || as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${found[@]}" >/dev/null
}

# shellcheck disable=SC2034 # for those who source this
build_packages=(gcc libc6-dev cmake ninja-build pkgconf)
# shellcheck disable=SC2034
part_packages=(libdnnl-dev libprotobuf-c-dev protobuf-c-compiler libonnx-dev libpng-dev libjpeg-dev opencl-headers ocl-icd-libopencl1 libclblast-dev
  libvulkan-dev libvulkan-volk-dev glslc spirv-tools)

# cuda_wheels: from PyPI into build/cuda, what the CUDA backend is built and checked with where no toolkit is installed: the headers
# of CUDA 12 and cuDNN; and everywhere NVRTC 12, which still compiles for V100. Fills cuda_options for configure; nothing of it
# is needed by who leaves the CUDA backend out.
cuda_options=()
cuda_wheels() {
  local site
  local -a wheels=(nvidia-cuda-nvrtc-cu12)
  if [ ! -f "${CUDA_PATH:-/usr/local/cuda}/include/nvrtc.h" ]; then
    wheels+=(nvidia-cuda-runtime-cu12 nvidia-cuda-nvcc-cu12 nvidia-cuda-cccl-cu12 nvidia-cudnn-cu12 nvidia-cublas-cu12)
  fi
  if ! ls build/cuda/lib/python3*/site-packages/nvidia/cuda_nvrtc/lib/libnvrtc.so.12 >/dev/null 2>&1; then
    echo "Installing with pip into build/cuda: ${wheels[*]}"
    if ! python3 -m venv build/cuda || ! build/cuda/bin/pip install -q --disable-pip-version-check --no-deps "${wheels[@]}"; then
      echo "The wheels cannot be had: the CUDA backend is built only with a toolkit, and its kernels are not compiled for V100."
      return 0
    fi
  fi
  site=$(echo "$PWD"/build/cuda/lib/python3*/site-packages/nvidia)
  cuda_options=("-DFOLDRUN_NVRTC12=$site/cuda_nvrtc/lib/libnvrtc.so.12")
  [ ${#wheels[@]} -eq 1 ] || cuda_options+=("-DFOLDRUN_CUDA_ROOT=$site")
}

# configure PRESET [OPTIONS...]: shows the table of what is in and out; quiet when the folder is configured already.
configure() {
  local log="build/$1/configure.log"
  [ -f "build/$1/build.ninja" ] && return 0
  mkdir -p "build/$1"
  if ! cmake --preset "$@" >"$log" 2>&1; then
    cat "$log"
    return 1
  fi
  sed -n '/^-- foldrun /,/^-- Configuring done/{/Configuring done/d;s/^-- //p}' "$log"
}
