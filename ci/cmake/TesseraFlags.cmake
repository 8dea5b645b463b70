# Flags by kind of code, as interface libraries: link the one that fits and add only what is special.
#
#   tessera_warnings        every C target of ours
#   tessera_abi             the include folder of the public kernel ABI (<abi/...>)
#   tessera_host_flags      programs and tests of the development host
#   tessera_kernel_flags    the kernel: for size; its folders name the files that are built for speed (-O2)
#   tessera_user_flags      native user-mode programs and libraries without FP or SIMD, fixed address below 2 GiB
#   tessera_user_fp_flags   the same with FP and SIMD of the baseline CPU
#   tessera_image_flags     code linked into program images above 16 GiB (WASI library, run-time support): position
#                           independent, hidden symbols, FP allowed, page 0 is an ordinary page

add_library(tessera_warnings INTERFACE)
target_compile_options(tessera_warnings INTERFACE
    $<$<COMPILE_LANGUAGE:C>:-Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wundef>
    "-ffile-prefix-map=${CMAKE_SOURCE_DIR}/=")

add_library(tessera_abi INTERFACE)
target_include_directories(tessera_abi INTERFACE "${CMAKE_SOURCE_DIR}/kernel/include")

if(TESSERA_ARCH STREQUAL "")
    add_library(tessera_host_flags INTERFACE)
    target_link_libraries(tessera_host_flags INTERFACE tessera_warnings tessera_abi)
    target_compile_definitions(tessera_host_flags INTERFACE _GNU_SOURCE)
    return()
endif()

set(tessera_freestanding
    -ffreestanding -fno-stack-protector -fno-asynchronous-unwind-tables -fno-unwind-tables -fno-common
    -ffunction-sections -fdata-sections -fno-delete-null-pointer-checks)
set(tessera_static_link
    -nostdlib -static -no-pie "LINKER:--build-id=none" "LINKER:-z,noexecstack" "LINKER:-z,max-page-size=4096"
    "LINKER:--gc-sections" "LINKER:--fatal-warnings")

if(TESSERA_ARCH STREQUAL "x86_64")
    set(tessera_freestanding ${tessera_freestanding} -fcf-protection=none)
    set(kernel_machine -mcmodel=kernel -mno-red-zone -mgeneral-regs-only -march=x86-64 -fno-pic -fno-pie)
    set(user_machine -march=x86-64-v2)
elseif(TESSERA_ARCH STREQUAL "arm64")
    set(tessera_freestanding ${tessera_freestanding} -mno-outline-atomics)
    set(kernel_machine -mgeneral-regs-only -march=armv8.1-a -mcmodel=tiny -fno-pic -fno-pie)
    set(user_machine -march=armv8.1-a)
else()
    message(FATAL_ERROR "TESSERA_ARCH is '${TESSERA_ARCH}'; it must be x86_64, arm64 or empty")
endif()

# The kernel is optimised as one piece when it is linked: 2 to 4 % smaller, and a little faster. The call graph with the
# frames' sizes is for ci/stack_depth.py.
set(kernel_lto -flto=auto -flto-partition=one -fcallgraph-info=su)
add_library(tessera_kernel_flags INTERFACE)
target_link_libraries(tessera_kernel_flags INTERFACE tessera_warnings tessera_abi)
target_compile_definitions(tessera_kernel_flags INTERFACE "TESSERA_ARCH_${TESSERA_ARCH}=1")
target_include_directories(tessera_kernel_flags INTERFACE
    "${CMAKE_SOURCE_DIR}" "${CMAKE_SOURCE_DIR}/arch/include" "${CMAKE_SOURCE_DIR}/arch/${TESSERA_ARCH}/include")
target_compile_options(tessera_kernel_flags INTERFACE
    ${tessera_freestanding} ${kernel_machine} -Os ${kernel_lto} -fomit-frame-pointer -falign-functions=1 -falign-jumps=1 -falign-loops=1 -falign-labels=1)
target_link_options(tessera_kernel_flags INTERFACE
    ${tessera_static_link} ${tessera_freestanding} ${kernel_machine} -Os ${kernel_lto})

function(tessera_user_library name)
    add_library(${name} INTERFACE)
    target_link_libraries(${name} INTERFACE tessera_warnings tessera_abi)
    target_compile_definitions(${name} INTERFACE "TESSERA_ARCH_${TESSERA_ARCH}=1")
    target_compile_options(${name} INTERFACE ${tessera_freestanding} ${user_machine} ${ARGN})
endfunction()

tessera_user_library(tessera_user_flags -mgeneral-regs-only -fno-pic -fno-pie)
tessera_user_library(tessera_user_fp_flags -fno-pic -fno-pie)
tessera_user_library(tessera_image_flags -fpie -fvisibility=hidden)
target_link_options(tessera_user_flags INTERFACE ${tessera_static_link})
target_link_options(tessera_user_fp_flags INTERFACE ${tessera_static_link})
