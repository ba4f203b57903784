"""What is known about images: embeddings, FAISS, clustering, the LMDB store, the shape library."""
