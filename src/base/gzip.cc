// SPDX-License-Identifier: Apache-2.0
#include "base/gzip.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>

namespace flannel {
namespace {

constexpr int kGzip = 16;  // added to the size of the window: the gzip format

z_stream stream_of(std::string_view data) {
  z_stream stream{};
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(data.data()));
  stream.avail_in = static_cast<uInt>(data.size());
  return stream;
}

}  // namespace

Result<std::string> gzipped(std::string_view data) {
  z_stream stream = stream_of(data);
  if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, MAX_WBITS + kGzip, 8,
                   Z_DEFAULT_STRATEGY) != Z_OK) {
    return fail(ErrorKind::system, "compress data: out of memory");
  }
  std::string out(deflateBound(&stream, data.size()), '\0');
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  const int end = deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  if (end == Z_STREAM_END) return out;
  return fail(ErrorKind::system, fmt::format("compress data: zlib says {}", end));
}

Result<std::string> gunzipped(std::string_view data, std::size_t limit) {
  constexpr std::size_t kStep = 1 << 20;
  z_stream stream = stream_of(data);
  if (inflateInit2(&stream, MAX_WBITS + kGzip) != Z_OK) {
    return fail(ErrorKind::system, "uncompress data: out of memory");
  }
  std::string out;
  int end = Z_OK;
  // One byte more than the limit shows that there is more.
  while (end == Z_OK && out.size() <= limit) {
    const std::size_t before = out.size();
    out.resize(std::min(before + kStep, limit + 1));
    stream.next_out = reinterpret_cast<Bytef*>(out.data() + before);
    stream.avail_out = static_cast<uInt>(out.size() - before);
    end = inflate(&stream, Z_NO_FLUSH);
    out.resize(stream.total_out);
  }
  const bool is_whole = end == Z_STREAM_END && stream.avail_in == 0;
  inflateEnd(&stream);
  if (out.size() > limit) {
    return fail(ErrorKind::invalid, fmt::format("it holds more than {} bytes", limit));
  }
  if (!is_whole) return fail(ErrorKind::invalid, "it is truncated, damaged, or no gzip data");
  return out;
}

}  // namespace flannel
