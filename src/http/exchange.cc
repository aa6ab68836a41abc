// SPDX-License-Identifier: Apache-2.0
#include "http/exchange.h"

#include <httplib.h>

#include <algorithm>
#include <exception>
#include <functional>
#include <utility>

#include "base/parse.h"

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

// A request without both headers has no body (RFC 9112, section 6.3).
std::optional<std::uint64_t> length_of_body(const httplib::Request& request) {
  if (request.has_header("Transfer-Encoding")) return std::nullopt;
  const std::size_t lengths = request.get_header_value_count("Content-Length");
  if (lengths == 0) return 0;
  if (lengths > 1) return std::nullopt;
  return parse_decimal<std::uint64_t>(request.get_header_value("Content-Length"));
}

}  // namespace

// The part of the library's server that is used: it reads one head and writes one response.
class HttpExchange::Protocol final : public httplib::Server {
 public:
  // Called with a request whose head is valid.
  using Routed = std::function<void(const httplib::Request&, httplib::Response&)>;

  Protocol() {
    set_pre_routing_handler([this](const httplib::Request& request, httplib::Response& response) {
      (*routed_)(request, response);
      return HandlerResponse::Handled;
    });
  }

  // Returns what the library writes.
  std::string serve(std::string_view head, const Routed& routed) {
    routed_ = &routed;
    MemoryStream stream(head);
    bool closed = false;
    // Ranges are ignored, because the library would otherwise return only a part of the body.
    const auto without_ranges = [](httplib::Request& request) { request.ranges.clear(); };
    // The library parses bytes from outside and throws on some of them.
    try {
      process_request(stream, true, closed, without_ranges);
    } catch (const std::exception&) {
      return {};
    }
    return stream.take_written();
  }

 private:
  const Routed* routed_ = nullptr;
};

HttpExchange::HttpExchange() : protocol_(std::make_unique<Protocol>()) {}

HttpExchange::~HttpExchange() = default;

std::optional<std::size_t> HttpExchange::end_of_head(std::string_view received,
                                                     std::size_t searched) {
  // The end may have arrived in several parts.
  const std::size_t from = searched - std::min(searched, kEndOfHead.size() - 1);
  const auto at = received.find(kEndOfHead, from);
  if (at == std::string_view::npos) return std::nullopt;
  return at + kEndOfHead.size();
}

std::variant<HttpExchange::Head, HttpExchange::Refusal> HttpExchange::parse(std::string_view head) {
  std::optional<Head> parsed;
  std::string refusal =
      protocol_->serve(head, [&parsed](const httplib::Request& request, httplib::Response&) {
        parsed.emplace();
        parsed->request.method = request.method;
        parsed->request.path = request.path;
        for (const auto& [name, value] : request.params)
          parsed->request.query.emplace(name, value);
        for (const auto& [name, value] : request.headers)
          parsed->request.headers.insert_or_assign(to_lower(name), value);
        parsed->body = length_of_body(request);
      });
  if (!parsed) return refusal;
  return *std::move(parsed);
}

std::string HttpExchange::render(std::string_view head, const HttpResponse& response) {
  return protocol_->serve(head, [&response](const httplib::Request&, httplib::Response& written) {
    written.status = response.status;
    written.set_content(response.body, response.content_type.c_str());
    for (const auto& [name, value] : response.headers)
      written.set_header(name.c_str(), value);
  });
}

std::string HttpExchange::head_of_stream(const HttpResponse& response) {
  std::string head = "HTTP/1.1 " + std::to_string(response.status) +
                     " OK\r\nContent-Type: " + response.content_type + "\r\nConnection: close\r\n";
  for (const auto& [name, value] : response.headers)
    head.append(name).append(": ").append(value).append("\r\n");
  return head + "\r\n";
}

}  // namespace flannel
