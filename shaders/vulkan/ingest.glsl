/*
 * The user's images into folded inputs. Image i of the launch is image i % images of input i / images, and its channels
 * follow those of the image before it. Images from VALID on do not exist and become zero. table: mean of each channel
 * as stored, then scale of each; both are zero in a block's padding.
 */
PARAMS(INGEST_PARAMS)
READS(0, src, SRC_DTYPE)
WRITES(2, dst, DST_DTYPE)
FIRST_PLACE(dst)
