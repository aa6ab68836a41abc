// SPDX-License-Identifier: Apache-2.0
// An HTTP client for one server. It makes one call at a time and can end a call at once, however
// long the server or the resolver takes. The calls run on a thread of the connection; this
// interface and its callbacks belong to the loop thread. The caller implements deadlines with a
// timer and cut().
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <thread>

#include "base/result.h"
#include "http/resolver.h"
#include "http/target.h"
#include "http/tls_context.h"
#include "loop/loop.h"
#include "loop/loop_gate.h"

namespace flannel {

struct HttpAccess {
  HttpTarget target;
  std::shared_ptr<const TlsMaterial> tls = {};  // null: no files were given
  std::string username = {}, password = {};     // basic authentication, if there is a username
  std::shared_ptr<Resolver> resolver = {};      // null: the connection makes its own
  std::string server_name = {};  // that the server's certificate has; empty: the target's host
  std::string socket = {};  // the path of a UNIX socket, in place of the target's host and port
};

struct HttpCall {
  std::string method;
  std::string path;  // encoded, with the query
  std::string body;
  std::string content_type;                // of the body
  std::size_t longest_answer = 64U << 20;  // bytes that are kept; a longer body is a failure
  // Called on the thread of the connection with the bytes as they arrive; appends to `body` what is
  // to be kept. Empty: all bytes are kept.
  std::function<void(std::string_view bytes, std::string& body)> keep = {};
  std::map<std::string, std::string> headers = {};  // besides those of the client
};

struct HttpHead {
  int status = 0;                              // 0: none was received
  std::map<std::string, std::string> headers;  // names in lower case; the last of equal names
};

struct HttpEnd {
  HttpHead head;             // what was received of it, even if the body is a failure
  Result<std::string> body;  // ErrorKind::unavailable if the answer is missing or cut short
  bool sent = true;          // false: the server cannot have seen the call
};

class HttpConnection {
 public:
  struct Listener {
    std::function<void(const HttpHead&)> on_head;  // when the head has arrived; may be empty
    std::function<void(HttpEnd)> on_end;           // may destroy the connection, or send again
  };

  // `keep_open`: the next call uses the same TCP connection if it still exists. An open connection
  // may have failed unnoticed, so this is only for calls that are harmless when made twice.
  HttpConnection(HttpAccess access, bool keep_open, Loop& loop);
  // Ends the call under way; its listener is not called any more. Takes milliseconds.
  ~HttpConnection();
  HttpConnection(const HttpConnection&) = delete;
  HttpConnection& operator=(const HttpConnection&) = delete;

  // Starts a call. Requires !busy().
  void send(HttpCall call, Listener listener);
  bool busy() const { return busy_; }
  // Ends the call under way, if there is one, with the error `why`, or with an error that says that
  // the name could not be resolved in time.
  void cut(Error why);

 private:
  class Worker;
  void on_head(const HttpHead& head);
  void on_end(HttpEnd end);

  std::shared_ptr<Worker> worker_;
  Listener listener_;
  bool busy_ = false;
  std::thread thread_;
  LoopGate gate_;
};

}  // namespace flannel
