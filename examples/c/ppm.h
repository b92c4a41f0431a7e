/* Frames from and masks to binary Netpbm streams: P6 in, one after the other, P5 out. */
#ifndef PPM_H
#define PPM_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct {
    uint8_t *rgb;
    int32_t width, height;
} ppm_frame;

/* A number of the header, and the white space behind it; -1 if there is none. */
static int32_t ppm_number(FILE *file)
{
    int32_t value = 0;
    int c = getc(file);
    while (c == ' ' || c == '\t' || c == '\n' || c == '\r')
        c = getc(file);
    if (c < '0' || c > '9')
        return -1;
    for (; c >= '0' && c <= '9' && value < 100000; c = getc(file))
        value = 10 * value + (c - '0');
    return value;
}

/* Reads the next frame into a buffer that is reused: 1, or 0 at the end, or -1 if the stream is damaged. */
static int ppm_read(FILE *file, ppm_frame *frame)
{
    int32_t width, height;
    size_t bytes;
    int c = getc(file);
    if (c == EOF)
        return 0;
    if (c != 'P' || getc(file) != '6')
        return -1;
    width = ppm_number(file);
    height = ppm_number(file);
    if (width < 1 || height < 1 || width > 16384 || height > 16384 || ppm_number(file) != 255)
        return -1;
    bytes = (size_t)width * (size_t)height * 3;
    if (frame->rgb == NULL || width != frame->width || height != frame->height) {
        free(frame->rgb);
        frame->rgb = (uint8_t *)malloc(bytes);
        frame->width = width;
        frame->height = height;
        if (frame->rgb == NULL)
            return -1;
    }
    return fread(frame->rgb, 1, bytes, file) == bytes ? 1 : -1;
}

/* Writes a mask, 0 or 255 a pixel. */
static int pgm_write(FILE *file, const uint8_t *data, int32_t width, int32_t height)
{
    size_t bytes = (size_t)width * (size_t)height;
    return fprintf(file, "P5\n%d %d\n255\n", (int)width, (int)height) > 0 &&
           fwrite(data, 1, bytes, file) == bytes;
}

#endif
