# find_package(sam2): the targets sam2::sam2, shared, and sam2::static.
get_filename_component(SAM2_PREFIX "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)
if(NOT TARGET sam2::sam2)
    add_library(sam2::sam2 SHARED IMPORTED)
    set_target_properties(sam2::sam2 PROPERTIES
        IMPORTED_LOCATION "${SAM2_PREFIX}/lib/libsam2.so"
        IMPORTED_SONAME "libsam2.so.1"
        INTERFACE_INCLUDE_DIRECTORIES "${SAM2_PREFIX}/include")
    add_library(sam2::static STATIC IMPORTED)
    set_target_properties(sam2::static PROPERTIES
        IMPORTED_LOCATION "${SAM2_PREFIX}/lib/libsam2.a"
        INTERFACE_INCLUDE_DIRECTORIES "${SAM2_PREFIX}/include"
        INTERFACE_LINK_LIBRARIES "pthread;dl;m")
endif()
