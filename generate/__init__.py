"""What is written from the program itself: sample, documents, completion."""
