// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace flannel {

// The process that connected to a unix socket, as the kernel knows it (SO_PEERCRED of unix(7)).
struct HttpPeer {
  pid_t pid = 0;
  uid_t uid = 0;
};

struct HttpRequest {
  std::string method;                            // "GET"
  std::string path;                              // "/readyz", percent-decoded, without the query
  std::map<std::string, std::string> query;      // the first of equal names
  std::string body{};                            // empty if the server reads no bodies
  std::optional<HttpPeer> peer{};                // nullopt: the request came over TCP
  std::map<std::string, std::string> headers{};  // names in lower case; the last of equal names

  bool asks(const std::string& name) const { return query.contains(name); }
};

// Sends the parts of a body without an end, such as events. Copyable, usable on any thread, also
// when the connection or the server has ended.
class HttpSink {
 public:
  using Make = std::function<std::string()>;

  // `open` lives as long as the connection.
  HttpSink(std::function<void(Make)> send, std::weak_ptr<const void> open)
      : send_(std::move(send)), open_(std::move(open)) {}

  // `make` is called on the thread of the server, unless the connection has ended. The calls for
  // all sinks of a server run in the order in which they came.
  void operator()(Make make) const { send_(std::move(make)); }
  // False: the client has gone, or was cut off because it does not read.
  bool is_open() const { return !open_.expired(); }

 private:
  std::function<void(Make)> send_;
  std::weak_ptr<const void> open_;
};

struct HttpResponse {
  int status = 200;
  std::string body;
  std::string content_type = "text/plain; charset=utf-8";
  std::map<std::string, std::string> headers{};  // besides those of every answer
  // If it is not empty, the body goes on after `body`, until the client closes: it is called on the
  // thread of the server with the sink of the rest. HttpLimits says how many may be open.
  std::function<void(HttpSink)> goes_on{};
};

// Sends the answer to one request. Copyable. Callable from any thread and at any time, also when
// the connection or the server has ended. Only the first call has an effect.
class HttpReply {
 public:
  using Make = std::function<HttpResponse()>;

  explicit HttpReply(std::function<void(Make)> send) : send_(std::move(send)) {}

  // `make` is called on the thread of the server, unless the connection has ended.
  void operator()(Make make) const { send_(std::move(make)); }
  void operator()(HttpResponse response) const {
    send_([response = std::move(response)] { return response; });
  }

 private:
  std::function<void(Make)> send_;
};

// Handles a request on the thread of the server.
using HttpHandler = std::function<void(const HttpRequest& request, const HttpReply& reply)>;

}  // namespace flannel
