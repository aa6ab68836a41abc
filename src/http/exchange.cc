// SPDX-License-Identifier: Apache-2.0
#include "http/exchange.h"

#include <httplib.h>

#include <algorithm>
#include <exception>
#include <utility>

namespace flannel {
namespace {

constexpr std::string_view kEndOfHead = "\r\n\r\n";

// A stream for the library from which it reads a complete request and to which it writes the
// answer, without blocking.
class MemoryStream final : public httplib::Stream {
 public:
  explicit MemoryStream(std::string_view request) : rest_(request) {}

  bool is_readable() const override { return true; }
  bool is_writable() const override { return true; }

  ssize_t read(char* to, std::size_t size) override {
    const std::size_t count = std::min(size, rest_.size());
    std::copy_n(rest_.data(), count, to);
    rest_.remove_prefix(count);
    return static_cast<ssize_t>(count);
  }

  ssize_t write(const char* from, std::size_t size) override {
    written_.append(from, size);
    return static_cast<ssize_t>(size);
  }

  void get_remote_ip_and_port(std::string&, int&) const override {}
  void get_local_ip_and_port(std::string&, int&) const override {}
  socket_t socket() const override { return INVALID_SOCKET; }

  std::string take_written() { return std::move(written_); }

 private:
  std::string_view rest_;
  std::string written_;
};

}  // namespace

// The part of the library's server that is used: it reads one request and writes one response.
class HttpExchange::Protocol final : public httplib::Server {
 public:
  explicit Protocol(HttpHandler handler) {
    set_pre_routing_handler([handler = std::move(handler)](const httplib::Request& request,
                                                           httplib::Response& response) {
      HttpRequest asked{request.method, request.path, {}};
      for (const auto& [name, value] : request.params)
        asked.query.emplace(name, value);
      const HttpResponse answer = handler(asked);
      response.status = answer.status;
      response.set_content(answer.body, answer.content_type.c_str());
      return HandlerResponse::Handled;
    });
  }

  void serve(MemoryStream& stream) {
    bool closed = false;
    // Ranges are ignored, because the library would otherwise return only a part of the body.
    const auto without_ranges = [](httplib::Request& request) { request.ranges.clear(); };
    process_request(stream, true, closed, without_ranges);
  }
};

HttpExchange::HttpExchange(HttpHandler handler)
    : protocol_(std::make_unique<Protocol>(std::move(handler))) {}

HttpExchange::~HttpExchange() = default;

std::optional<std::size_t> HttpExchange::end_of_head(std::string_view received,
                                                     std::size_t searched) {
  // The end may have arrived in several parts.
  const std::size_t from = searched - std::min(searched, kEndOfHead.size() - 1);
  const auto at = received.find(kEndOfHead, from);
  if (at == std::string_view::npos) return std::nullopt;
  return at + kEndOfHead.size();
}

std::string HttpExchange::answer(std::string_view request) {
  MemoryStream stream(request);
  // The library parses bytes from outside and throws on some of them.
  try {
    protocol_->serve(stream);
  } catch (const std::exception&) {
    return {};
  }
  return stream.take_written();
}

}  // namespace flannel
