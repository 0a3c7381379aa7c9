// The Go peer of the benchmarks: POST /topics/{topic} on net/http, with one franz-go client for all requests.
//
//	endpoint PORT BROKERS
package main

import (
	"context"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"
)

type envelope struct {
	Records []struct {
		Value json.RawMessage `json:"value"`
	} `json:"records"`
}

type position struct {
	Partition int32 `json:"partition"`
	Offset    int64 `json:"offset"`
}

type answer struct {
	Offsets []position `json:"offsets"`
}

func main() {
	port, brokers := os.Args[1], os.Args[2]
	// Idempotent, and acks from all in-sync replicas: both are franz-go's defaults. By default it waits 10 ms for more
	// records, which is more than a whole answer takes, and compresses, which nobody else here does. A larger buffer or
	// another partitioner made it no faster.
	client, err := kgo.NewClient(
		kgo.SeedBrokers(strings.Split(brokers, ",")...),
		kgo.ProducerLinger(0),
		kgo.ProducerBatchCompression(kgo.NoCompression()),
	)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	http.HandleFunc("POST /topics/{topic}", func(w http.ResponseWriter, r *http.Request) {
		produce(client, w, r)
	})
	http.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		if err := client.Ping(r.Context()); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
		}
	})
	log.Fatal(http.ListenAndServe("127.0.0.1:"+port, nil))
}

// produce answers when Kafka has all records of a request.
func produce(client *kgo.Client, w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	var request envelope
	if err := json.Unmarshal(body, &request); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	positions, err := send(client, r.PathValue("topic"), request)
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	text, err := json.Marshal(answer{positions})
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.Write(text)
}

// send hands over all records before it waits for the first. The request's context stays out of it: a caller who hangs
// up would fail the records of others in the same batch.
func send(client *kgo.Client, topic string, request envelope) ([]position, error) {
	count := len(request.Records)
	records, positions, errs := make([]kgo.Record, count), make([]position, count), make([]error, count)
	var wait sync.WaitGroup
	wait.Add(count)
	for i := range request.Records {
		records[i] = kgo.Record{Topic: topic, Value: request.Records[i].Value}
		client.Produce(context.Background(), &records[i], func(record *kgo.Record, err error) {
			positions[i], errs[i] = position{record.Partition, record.Offset}, err
			wait.Done()
		})
	}
	wait.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return positions, nil
}
