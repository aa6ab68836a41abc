// SPDX-License-Identifier: Apache-2.0
// A stream of EtcdConnection:
//
//   start ──▶ read ──▶ read ──▶ ... ──▶ read failed ──▶ finish ──▶ on_end
//     │ └──▶ write ──▶ ...                                ▲
//     └── failed ─────────────────────────────────────────┘
//
// Each arrow is one operation of gRPC; at most one read and one write are under way. A failed write
// is ignored, because the read then fails too. Destroying a stream cancels the call, so that its
// operations end at once and no others follow.
#include <deque>
#include <utility>

#include "registry/etcd3/call_error.h"
#include "registry/etcd3/connection.h"

namespace flannel {

class EtcdConnection::Stream final : public std::enable_shared_from_this<Stream> {
 public:
  Stream(EtcdConnection& connection, std::string method, StreamListener listener)
      : connection_(connection), method_(std::move(method)), listener_(std::move(listener)) {}

  void start() {
    if (dropped_) return;
    channels().find(connection_.gate_.sender(),
                    [self = shared_from_this()](const Result<EtcdWay>& way) {
                      if (self->dropped_) return;
                      if (way) return self->start_on(*way);
                      ++self->connection_.failures_.transport;
                      self->end(way.error());
                    });
  }

  void start_on(const EtcdWay& way) {
    way_ = way;
    token_ = connection_.add_token(context_);
    // Makes etcd end the stream when its member has lost the leader, instead of sending nothing.
    context_.AddMetadata("hasleader", "true");
    connection_.active_.insert(&context_);
    call_ = grpc::GenericStub(way_.channel)
                .PrepareCall(&context_, method_, &connection_.session_.queue());
    call_->StartCall(operation(&Stream::on_started));
  }

  void refuse(const Error& error) {
    if (!dropped_) end(error);
  }

  void send(Bytes message) {
    unsent_.push_back(std::move(message));
    write_next();
  }

  const std::string& url() const { return way_.url; }

  bool is_current() const {
    return !dropped_ && (!way_.channel || channels().is_current(way_.channel));
  }

  void give_up() {
    if (dropped_) return;
    ++connection_.failures_.silence;
    channels().move_on(way_.channel);
    drop();
  }

  // From here on the connection is not used, since it may have been destroyed when the cancelled
  // operation completes.
  void drop() {
    if (!std::exchange(dropped_, true)) connection_.active_.erase(&context_);
    context_.TryCancel();
  }

 private:
  using Then = void (Stream::*)(bool ok);

  EtcdChannels& channels() const { return connection_.session_.channels(); }

  class Operation final : public Completion {
   public:
    Operation(std::shared_ptr<Stream> stream, Then then)
        : Completion(stream->sender_), stream_(std::move(stream)), then_(then) {}
    void complete(bool ok) override { (stream_.get()->*then_)(ok); }

   private:
    std::shared_ptr<Stream> stream_;
    Then then_;
  };

  void* operation(Then then) { return new Operation(shared_from_this(), then); }

  void on_started(bool ok) {
    if (!ok || dropped_) return finish();
    started_ = true;
    call_->Read(&message_, operation(&Stream::on_read));
    write_next();
  }

  void write_next() {
    if (!started_ || dropped_ || writing_ || unsent_.empty()) return;
    writing_ = true;
    call_->Write(unsent_.front(), operation(&Stream::on_written));
    unsent_.pop_front();
  }

  void on_written(bool ok) {
    writing_ = false;
    if (ok) write_next();
  }

  void on_read(bool ok) {
    if (!ok || dropped_) return finish();
    channels().note_answer(way_.channel);
    const auto on_message =
        listener_.on_message;  // a copy, since the listener may destroy this stream
    on_message(std::exchange(message_, Bytes()));
    if (dropped_) return finish();
    call_->Read(&message_, operation(&Stream::on_read));
  }

  void finish() {
    if (!dropped_) call_->Finish(&status_, operation(&Stream::on_finished));
  }

  void on_finished(bool) {
    if (dropped_) return;
    connection_.active_.erase(&context_);
    if (wants_authentication(status_)) connection_.session_.forget_token(token_);
    // What ends well although it should stand is no other kind of failure than one that breaks; of
    // a watch it is the end of the watch.
    if (!status_.ok()) {
      connection_.count_failure(status_);
    } else if (method_ == kWatchMethod) {
      connection_.count_cancelled_watch();
    } else {
      ++connection_.failures_.transport;
    }
    const Error error =
        status_.ok() ? Error{ErrorKind::unavailable, "etcd ended the stream"} : to_error(status_);
    if (error.kind == ErrorKind::unavailable) channels().move_on(way_.channel);
    end(Error(error).during(way_.url));
  }

  void end(const Error& error) {
    dropped_ = true;
    const auto on_end = listener_.on_end;
    on_end(error);
  }

  EtcdConnection& connection_;
  const LoopGate::Sender sender_ = connection_.gate_.sender();
  std::string method_;
  StreamListener listener_;
  std::deque<Bytes> unsent_;
  EtcdWay way_;
  std::string token_;  // with which it was started
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientAsyncReaderWriter<Bytes, Bytes>> call_;
  Bytes message_;
  grpc::Status status_;
  bool started_ = false;
  bool writing_ = false;
  bool dropped_ = false;  // or ended; the listener is not called any more
};

class EtcdConnection::StreamHandle final : public EtcdStream {
 public:
  explicit StreamHandle(std::shared_ptr<Stream> stream) : stream_(std::move(stream)) {}
  ~StreamHandle() override { stream_->drop(); }

  void send(Bytes message) override { stream_->send(std::move(message)); }
  const std::string& url() const override { return stream_->url(); }
  bool is_current() const override { return stream_->is_current(); }
  void give_up() override { stream_->give_up(); }

 private:
  std::shared_ptr<Stream> stream_;
};

std::unique_ptr<EtcdStream> EtcdConnection::open_stream(std::string method,
                                                        StreamListener listener) {
  auto stream = std::make_shared<Stream>(*this, std::move(method), std::move(listener));
  session_.with_token(gate_.sender(), [stream](const Result<void>& ready) {
    if (ready) {
      stream->start();
    } else {
      stream->refuse(ready.error());
    }
  });
  return std::make_unique<StreamHandle>(std::move(stream));
}

}  // namespace flannel
