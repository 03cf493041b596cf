#!/bin/sh
# Build an ffmpeg and an ffprobe that need nothing but the C library, for a machine without them.
#
#     benchmarks/gpu/programs.sh FOLDER
#
# From Debian's source package, with what filmcli uses of it, x264, and NVIDIA's engines (whose
# libraries are looked for when they are asked for). Takes 4 minutes on one core, 40 MB of disk
# for the sources, and a C compiler.
set -e
mkdir -p "$1/work/lists/partial"
cd "$1"
target=$PWD
cd work
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
echo "deb-src [signed-by=$keyring] http://deb.debian.org/debian bookworm main" >sources.list
sources="-o Dir::Etc::sourcelist=$PWD/sources.list -o Dir::Etc::sourceparts=/dev/null -o Dir::State::lists=$PWD/lists"
apt-get $sources update -qq
apt-get $sources source -qq --download-only ffmpeg
apt-get download -qq libx264-dev libffmpeg-nvenc-dev nasm
for package in *.deb; do dpkg -x "$package" root; done
rm -f root/usr/lib/x86_64-linux-gnu/*.so*  # leaves the linker nothing but the archive
root=$PWD/root/usr
find root -name '*.pc' | xargs sed -i "s#^prefix=.*#prefix=$root#; s#=/usr/#=$root/#; s#-L/usr/#-L$root/#"
export PKG_CONFIG_PATH="$root/lib/x86_64-linux-gnu/pkgconfig:$root/share/pkgconfig" PATH="$root/bin:$PATH"
tar -xf ffmpeg_*.orig.tar.xz
cd ffmpeg-*/
./configure --disable-everything --disable-autodetect --disable-doc --disable-debug \
    --disable-ffplay --disable-avdevice --disable-postproc --disable-network --enable-gpl --pkg-config-flags=--static \
    --extra-cflags="-I$root/include" --extra-ldflags="-L$root/lib/x86_64-linux-gnu" \
    --enable-libx264 --enable-ffnvcodec --enable-nvenc --enable-nvdec --enable-cuvid \
    --enable-hwaccel=h264_nvdec,hevc_nvdec,av1_nvdec,vp9_nvdec \
    --enable-protocol=file,pipe \
    --enable-demuxer=mov,matroska,concat,nut,rawvideo,h264,hevc,ivf,image2,wav,yuv4mpegpipe \
    --enable-muxer=mov,mp4,matroska,nut,rawvideo,null,h264,hevc,image2,wav,yuv4mpegpipe \
    --enable-parser=h264,hevc,av1,vp9,mpeg4video,aac,png \
    --enable-decoder=h264,hevc,av1,vp9,ffv1,rawvideo,mpeg4,aac,pcm_s16le,wrapped_avframe \
    --enable-encoder=libx264,h264_nvenc,hevc_nvenc,ffv1,rawvideo,aac,pcm_s16le,wrapped_avframe \
    --enable-bsf=h264_mp4toannexb,hevc_mp4toannexb,extract_extradata,setts,noise,null \
    --enable-bsf=aac_adtstoasc,vp9_superframe,h264_metadata,hevc_metadata,dump_extra \
    --enable-filter=scale,format,setparams,setsar,showinfo,select,setpts,settb,fps,null,anull \
    --enable-filter=hflip,vflip,transpose,bwdif,fieldmatch,decimate,setfield,idet,pad,crop,trim \
    --enable-filter=aresample,aformat,hwdownload,hwupload
make -j"$(nproc)" ffmpeg ffprobe
strip -o "$target/ffmpeg" ffmpeg
strip -o "$target/ffprobe" ffprobe
