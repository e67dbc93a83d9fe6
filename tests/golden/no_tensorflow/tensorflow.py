raise ImportError("TensorFlow was imported")
